// Package integration is where the whole of trueup meets real servers: NewTopology gives a test a source and its
// replicas in one call, and the tests beside it run the program end to end on them. No production code
// imports it.
//
// Servers are processes of this machine ("local", which is all there is unless TRUEUP_TEST_IMAGES is set) or
// containers of the images TRUEUP_TEST_IMAGES names (make test-matrix). EachServer runs a test on each of them and
// skips it with the reason where it Needs something else; a topology made in it is of that server. A test
// outside of EachServer is for the local server only.
//
//	func TestSomething(t *testing.T) {
//		t.Parallel()
//		EachServer(t, func(t *testing.T, on ServerRow) {
//			tp := NewTopology(t, Options{GTID: true})
//			tp.Source.Exec(t, "INSERT INTO ... SELECT seq FROM "+tp.Numbers(100))
//			tp.WaitCaughtUp(t)
//		}, Needs{MinMySQL: server.Version{Major: 8}})
//	}
//
// A container's data directory is made once for each image and kept in an image of its own (trueup-test/ready), so
// that a topology starts in a second or two. Its port is published on 127.0.0.1, where it also says it is
// (report_host); it replicates in a network of its topology, from which CutOff takes it. Accounts are therefore
// not seen to come from 127.0.0.1: tests name them by Node.Account. Containers of a test program that was
// killed are removed by the next one.
//
// A test that gets a topology owns it alone and may break it in any way; everything stops with the test. Tests should
// be parallel: at most TRUEUP_TEST_SERVERS servers (default 6) run at once in one test program, the rest wait. A
// test must therefore ask for all its servers in one call (NewTopologies for more than one source).
//
// Stops are ways to make a replica stand with an error, for real; what is known of stopped replicas is proven in
// stopped_facts_test.go. Topology.Anew makes a replicating topology again of whatever they left.
//
// Where no server can run, tests skip and say that nothing was proven; with REQUIRE_SERVERS=1 they fail, and so does a
// run in which a row of the matrix ran nothing.
package integration
