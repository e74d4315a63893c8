package check

import (
	"context"
	"log/slog"
	"strings"
)

// warningHandler passes log records on, and makes those that warn warnings of the result: what went wrong at a sync point
// has to be in the report, not only in a log that nobody keeps.
type warningHandler struct {
	slog.Handler
	warn  func(format string, args ...any)
	attrs []slog.Attr
}

// Enabled is true for every warning, whatever the log shows.
func (h *warningHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || h.Handler.Enabled(ctx, level)
}

// Handle is called by slog.
func (h *warningHandler) Handle(ctx context.Context, record slog.Record) error {
	if record.Level >= slog.LevelWarn {
		text := []string{record.Message}
		add := func(a slog.Attr) bool {
			text = append(text, a.Key+" "+a.Value.String())
			return true
		}
		for _, a := range h.attrs {
			add(a)
		}
		record.Attrs(add)
		h.warn("%s", strings.Join(text, ", "))
	}
	if !h.Handler.Enabled(ctx, record.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs is called by slog.
func (h *warningHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &warningHandler{Handler: h.Handler.WithAttrs(attrs), warn: h.warn, attrs: append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}
