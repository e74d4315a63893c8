// Package sandbox runs private database servers on this machine: in a temporary folder, on a free port, dying
// with the process that started them. The demo, the benchmark and every test on real servers stand on it.
//
// A server is found by Find: the program TRUEUP_MARIADBD names, mariadbd on PATH or where packages put it, or,
// where there is none, Docker with the image TRUEUP_DEMO_IMAGE names. Start copies a data directory that
// mariadb-install-db made once per program and version (kept in the user's cache folder, put there by one atomic
// rename, so that processes running at the same time share it), starts the server with small memory and no
// fsync, and waits until the generated administrator account can log in over TCP. That login also proves that the
// port is this server's: ports are tried until one is free, because nothing on a machine reserves a port.
//
// Nothing survives: Stop kills the server and removes its folder. When the process that called Start is killed,
// the kernel kills the servers (Linux), and the next Start removes the folders left behind: they are those
// whose lock nobody holds any more.
//
// These servers are for throw-away data: settings trade durability for speed. A killed server (Kill) keeps what it
// had committed, a machine that loses power does not.
package sandbox
