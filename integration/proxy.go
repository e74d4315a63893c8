package integration

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"trueup/server"
)

// Direction is a way through a Proxy.
type Direction int

// The directions of a Proxy, and both.
const (
	ToServer Direction = 1 << iota
	FromServer
	BothWays = ToServer | FromServer
)

// Proxy stands between a client and a server and does to the connections what networks do. It is safe for concurrent use.
type Proxy struct {
	endpoint server.Endpoint // of the server
	listener net.Listener
	group    sync.WaitGroup

	mutex     sync.Mutex
	pipes     map[*pipe]bool
	swallowed Direction // ways in which all bytes vanish
	perSecond int       // bytes of each connection each way; 0: no limit
	triggers  []*trigger
}

// trigger is something to be done when bytes pass.
type trigger struct {
	way   Direction
	text  []byte // to be seen
	after int    // how often it, or without text how many bytes, pass before
	do    func(*Pipe)
}

// Pipe is one connection through a Proxy, for what is done to it alone.
type Pipe = pipe

type pipe struct {
	proxy          *Proxy
	client, server net.Conn
	swallowed      Direction // guarded by the proxy's mutex
	lost           bool      // bytes of it vanished: it can only be cut
	ended          chan struct{}
	once           sync.Once
}

// NewProxy begins to forward to a node. It ends, with all its connections, when the test ends.
func NewProxy(t testing.TB, node *Node) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{endpoint: node.Endpoint(), listener: listener, pipes: map[*pipe]bool{}}
	p.group.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.Cut()
		p.group.Wait()
	})
	return p
}

// Endpoint is how the node is reached through the proxy.
func (p *Proxy) Endpoint() server.Endpoint {
	through := p.endpoint
	through.Network, through.Address = "tcp", p.listener.Addr().String()
	return through
}

// Swallow lets all bytes of present and future connections vanish in a direction; the connections stay open, and new ones are
// accepted.
func (p *Proxy) Swallow(way Direction) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.swallowed = way
}

// Heal forwards again; connections of which something vanished are cut.
func (p *Proxy) Heal() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.swallowed, p.perSecond = 0, 0
	for c := range p.pipes {
		if c.lost {
			c.close()
		}
	}
}

// Cut resets every connection.
func (p *Proxy) Cut() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for c := range p.pipes {
		c.close()
	}
}

// Slow forwards so many bytes a second on each connection each way; 0: as many as come.
func (p *Proxy) Slow(bytesPerSecond int) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.perSecond = bytesPerSecond
}

// When does something once, after the text was seen on its way so many times before; the bytes that show it wait meanwhile.
// Without a text it is done once so many bytes have passed.
func (p *Proxy) When(way Direction, text string, after int, do func(*Pipe)) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.triggers = append(p.triggers, &trigger{way: way, text: []byte(text), after: after, do: do})
}

// Swallow lets the bytes of one connection vanish.
func (c *pipe) Swallow(way Direction) {
	c.proxy.mutex.Lock()
	defer c.proxy.mutex.Unlock()
	c.swallowed = way
}

// stall takes nothing more from the server, as a client does that no longer reads: its writes come to stand.
func (c *pipe) stall() { <-c.ended }

// Cut resets one connection.
func (c *pipe) Cut() { c.close() }

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		upstream, err := net.Dial(p.endpoint.Network, p.endpoint.Address)
		if err != nil {
			_ = client.Close()
			continue
		}
		c := &pipe{proxy: p, client: client, server: upstream, ended: make(chan struct{})}
		p.mutex.Lock()
		p.pipes[c] = true
		p.mutex.Unlock()
		p.group.Go(func() {
			var ways sync.WaitGroup
			ways.Go(func() { c.forward(ToServer, c.client, c.server) })
			ways.Go(func() { c.forward(FromServer, c.server, c.client) })
			ways.Wait()
			p.mutex.Lock()
			delete(p.pipes, c)
			p.mutex.Unlock()
		})
	}
}

func (c *pipe) close() {
	c.once.Do(func() { close(c.ended) })
	if tcp, ok := c.client.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a reset, as a firewall sends it
	}
	_ = c.client.Close()
	_ = c.server.Close()
}

// forward moves bytes until either side ends; the other one is closed then, unless the way there is a black hole.
func (c *pipe) forward(way Direction, from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && c.passes(way, buffer[:n]) {
			if _, writeErr := to.Write(buffer[:n]); writeErr != nil {
				err = writeErr
			}
		}
		if err != nil {
			if err != io.EOF || !c.isSwallowed(way) {
				c.close()
			}
			return
		}
	}
}

func (c *pipe) isSwallowed(way Direction) bool {
	c.proxy.mutex.Lock()
	defer c.proxy.mutex.Unlock()
	return (c.proxy.swallowed|c.swallowed)&way != 0
}

// passes does what is to be done when such bytes pass, and tells whether they go on.
func (c *pipe) passes(way Direction, data []byte) bool {
	p := c.proxy
	p.mutex.Lock()
	var due []*trigger
	kept := p.triggers[:0]
	for _, t := range p.triggers {
		if t.way == way && t.isDue(data) {
			due = append(due, t)
		} else {
			kept = append(kept, t)
		}
	}
	p.triggers = kept
	p.mutex.Unlock()
	for _, t := range due {
		t.do(c)
	}
	p.mutex.Lock()
	gone, perSecond := (p.swallowed|c.swallowed)&way != 0, p.perSecond
	c.lost = c.lost || gone
	p.mutex.Unlock()
	if perSecond > 0 && !gone {
		time.Sleep(time.Duration(len(data)) * time.Second / time.Duration(perSecond))
	}
	return !gone
}

func (t *trigger) isDue(data []byte) bool {
	passed := len(data)
	if len(t.text) > 0 {
		passed = bytes.Count(data, t.text)
	}
	t.after -= passed
	return passed > 0 && t.after < 0
}
