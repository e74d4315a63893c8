package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"trueup/check"
	"trueup/repair"
)

const (
	liveInterval  = 200 * time.Millisecond // between two drawings of the live line
	plainInterval = 10 * time.Second       // between two lines where there is no terminal
	rateWindow    = 10 * time.Second       // rates are averages over this time
	clearLine     = "\r\x1b[2K"
)

// progressOptions are the settings of a Progress. Width is the terminal's width in cells, asked at each
// drawing since windows are resized; nil where there is no terminal: then a plain line is printed now and then.
type progressOptions struct {
	Width  func() int
	Now    func() time.Time
	Repair bool // the run ends with repair.Finished
	Plan   bool // of a repair that changes nothing
}

// Progress is an observer that shows how far a check has come: one live line on a terminal, else a plain line at the
// beginning of each phase and every 10 seconds. It is safe for concurrent use. Write errors are ignored: progress is a courtesy.
type Progress struct {
	options progressOptions
	w       io.Writer

	mu     sync.Mutex
	state  progressState
	drawn  time.Time // when a line was last drawn or printed
	shown  bool      // a live line stands on the terminal
	held   bool      // somebody is being asked something on the terminal
	closed bool
	stop   chan struct{}
	ticks  sync.WaitGroup
}

// NewProgress returns a progress on w, usually standard error; it looks itself whether w is a terminal. Call
// Close when the run is over.
func NewProgress(w io.Writer) *Progress { return progressOn(w, progressOptions{}) }

// NewRepairProgress is NewProgress for a repair, whose check is only its beginning; apply tells whether it is to change anything.
func NewRepairProgress(w io.Writer, apply bool) *Progress {
	return progressOn(w, progressOptions{Repair: true, Plan: !apply})
}

func progressOn(w io.Writer, options progressOptions) *Progress {
	options.Now = time.Now
	if _, terminal := TerminalWidth(w); terminal {
		options.Width = func() int {
			width, _ := TerminalWidth(w)
			return width
		}
	}
	return startProgress(w, options)
}

func startProgress(w io.Writer, options progressOptions) *Progress {
	p := newProgress(w, options)
	if options.Width == nil {
		p.drawn = time.Time{}
		p.draw()
	}
	p.ticks.Go(p.tick)
	return p
}

// newProgress returns a progress that is drawn only on events.
func newProgress(w io.Writer, options progressOptions) *Progress {
	state := newProgressState(options.Now())
	state.planOnly = options.Plan
	return &Progress{options: options, w: w, state: state, drawn: options.Now(), stop: make(chan struct{})}
}

// tick redraws while no events come, so that a long wait does not look like a hang.
func (p *Progress) tick() {
	ticker := time.NewTicker(liveInterval)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
			p.mu.Lock()
			p.draw()
			p.mu.Unlock()
		}
	}
}

// Event takes in what happened and redraws when it is time.
func (p *Progress) Event(event check.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	phase := p.state.phaseName()
	p.state.take(event, p.options.Now())
	if p.options.Width == nil && p.state.phaseName() != phase {
		p.drawn = time.Time{} // each phase has a line, however short it is
	}
	if p.isLast(event) {
		p.clear()
		p.closed = true
		return
	}
	p.draw()
}

func (p *Progress) isLast(event check.Event) bool {
	if p.options.Repair {
		_, finished := event.(repair.Finished)
		return finished
	}
	_, finished := event.(check.RunFinished)
	return finished
}

// Hold clears the line and draws none until release is called, for a question on the same terminal.
func (p *Progress) Hold() (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	p.held = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.held = false
	}
}

// Close ends the progress and clears its line. It may be called more than once.
func (p *Progress) Close() {
	p.mu.Lock()
	p.clear()
	p.closed = true
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	p.mu.Unlock()
	p.ticks.Wait()
}

// Beside returns a writer for other output to the same terminal, such as logs: the live line makes way for
// each Write, which should hold whole lines, and comes back after it.
func (p *Progress) Beside(w io.Writer) io.Writer { return besideWriter{p, w} }

type besideWriter struct {
	progress *Progress
	w        io.Writer
}

func (b besideWriter) Write(data []byte) (int, error) {
	b.progress.mu.Lock()
	defer b.progress.mu.Unlock()
	b.progress.clear()
	return b.w.Write(data)
}

func (p *Progress) clear() {
	if p.shown {
		_, _ = io.WriteString(p.w, clearLine)
		p.shown = false
	}
}

// draw draws at most every interval.
func (p *Progress) draw() {
	now := p.options.Now()
	interval := plainInterval
	if p.options.Width != nil {
		interval = liveInterval
	}
	if p.closed || p.held || now.Sub(p.drawn) < interval {
		return
	}
	p.drawn = now
	p.state.sample(now)
	if p.options.Width == nil {
		_, _ = io.WriteString(p.w, p.state.line(now, 0)+"\n")
		return
	}
	// The last cell stays free: some terminals wrap as soon as it is written.
	_, _ = io.WriteString(p.w, clearLine+p.state.line(now, max(p.options.Width()-1, 10)))
	p.shown = true
}

// linePart is one part of the line; parts of low worth make way when there is no room.
type linePart struct {
	text  string
	worth int
}

// line is the progress in words, at most width cells wide (0: no limit).
func (s *progressState) line(now time.Time, width int) string {
	if s.waiting != "" {
		return fit([]linePart{{s.percentText(), 1}, {"waiting " + shortDuration(now.Sub(s.since)) + ": " + showMessage(s.waiting), 2}}, width)
	}
	if s.repairing {
		return fit(s.repairParts(now), width)
	}
	if !s.synced {
		return fit([]linePart{{s.phase, 1}, {shortDuration(now.Sub(s.started)), 0}}, width)
	}
	rowRate, byteRate := "–", "–"
	if rows, bytes := s.rates(); rows > 0 {
		rowRate, byteRate = amount(int64(rows)), fmt.Sprintf("%.1f", bytes/1e6)
	}
	parts := []linePart{
		{s.percentText(), 8},
		{fmt.Sprintf("%d/%d tables", s.tablesDone, s.tables), 7},
		{amount(s.rows) + "/~" + amount(s.rows+s.remaining()) + " rows", 2},
		{rowRate + " rows/s", 3},
		{byteRate + " MB/s", 1},
		{s.leftText() + " left", 6},
		{"", 5},
		{s.currentText(), 4},
	}
	if s.different > 0 {
		parts[6].text = amount(s.different) + " differ"
	}
	return fit(parts, width)
}

// fit joins parts, without those of least worth when they are too wide together. What was least worth of those
// that stay is cut when enough of it remains to be understood.
func fit(parts []linePart, width int) string {
	parts = slices.DeleteFunc(slices.Clone(parts), func(p linePart) bool { return p.text == "" })
	for width > 0 && len(parts) > 0 {
		excess := displayWidth(joinParts(parts)) - width
		if excess <= 0 {
			break
		}
		least := 0
		for i := range parts {
			if parts[i].worth < parts[least].worth {
				least = i
			}
		}
		if room := displayWidth(parts[least].text) - excess; least == len(parts)-1 && room >= 12 || len(parts) == 1 {
			parts[least].text = cutCells(parts[least].text, room)
			break
		}
		parts = slices.Delete(parts, least, least+1)
	}
	return joinParts(parts)
}

func joinParts(parts []linePart) string {
	texts := make([]string, len(parts))
	for i, part := range parts {
		texts[i] = part.text
	}
	return strings.Join(texts, "  ")
}

// cutCells cuts to a number of terminal cells, with … for the rest.
func cutCells(s string, width int) string {
	if displayWidth(s) <= width {
		return s
	}
	cells := 0
	for i, r := range s {
		size := displayWidth(string(r))
		if cells+size > width-1 {
			return s[:i] + "…"
		}
		cells += size
	}
	return s
}

// amount is a number a person reads at a glance: 999, 12.3k, 4.56M, 7.89G.
func amount(n int64) string {
	f := float64(n)
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1fk", f/1e3)
	case n < 1_000_000_000:
		return fmt.Sprintf("%.2fM", f/1e6)
	default:
		return fmt.Sprintf("%.2fG", f/1e9)
	}
}
