package report

import (
	"fmt"
	"html"
	"io"
	"strings"

	"trueup/internal/audit"
)

// htmlSheet writes a journal as one HTML file that needs nothing else. Every text is escaped; should one ever not be, the policy at the top keeps a
// browser from running or fetching anything.
type htmlSheet struct {
	w   io.Writer
	err error
}

const htmlTop = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title>
<style>
body { font: 15px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222; background: #fff; }
h1 { font-size: 1.4em; }
h2 { font-size: 1.05em; margin: 0; }
.verdict { padding: .6em 1em; border-left: .4em solid #c80; background: #fff6e5; font-weight: bold; }
.whole { border-color: #2a2; background: #eefaee; }
.changed { border-color: #c00; background: #ffecec; }
table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .15em .8em .15em 0; overflow-wrap: anywhere; }
section { border-top: 1px solid #ccc; padding: .8em 0; }
.when { color: #666; font-size: .85em; }
dt { font-weight: bold; margin-top: .4em; }
dd { margin-left: 1em; overflow-wrap: anywhere; }
pre { background: #f4f4f4; padding: .6em; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
.hash { color: #888; font: .75em monospace; overflow-wrap: anywhere; }
</style>
</head>
<body>
`

func (s *htmlSheet) write(format string, arguments ...any) {
	if s.err == nil {
		_, s.err = fmt.Fprintf(s.w, format, arguments...)
	}
}

func htmlText(text string) string { return html.EscapeString(showMessage(text)) }

func (s *htmlSheet) begin(h journalHead) {
	class := map[audit.State]string{audit.Whole: " whole", audit.Changed: " changed"}[h.summary.State]
	title := "Audit journal of run " + htmlText(h.summary.Run)
	s.write(htmlTop, title)
	s.write("<h1>%s</h1>\n<p class=\"verdict%s\">%s</p>\n<table>\n", title, class, htmlText(h.verdict()))
	for _, line := range h.lines() {
		s.write("<tr><th>%s</th><td>%s</td></tr>\n", htmlText(line[0]), htmlText(line[1]))
	}
	s.write("</table>\n")
}

func (s *htmlSheet) entry(e journalEntry) {
	s.write("<section id=\"entry-%d\">\n<h2>%d. %s</h2>\n<div class=\"when\">%s · %s</div>\n", e.number, e.number, htmlText(e.title), e.time(), htmlText(e.kind))
	if len(e.fields) > 0 {
		s.write("<dl>\n")
	}
	for _, f := range e.fields {
		s.write("<dt>%s</dt>\n", htmlText(f.label))
		if f.text != "" {
			s.write("<dd>%s</dd>\n", htmlText(f.text))
		}
		for _, line := range f.list {
			s.write("<dd>%s</dd>\n", htmlText(line))
		}
		for _, code := range f.code {
			s.write("<dd><pre>%s</pre></dd>\n", html.EscapeString(Harmless(strings.TrimSuffix(code, "\n"))))
		}
	}
	if len(e.fields) > 0 {
		s.write("</dl>\n")
	}
	s.write("<div class=\"hash\">%s</div>\n</section>\n", htmlText(e.hash))
}

func (s *htmlSheet) end() error {
	s.write("</body>\n</html>\n")
	return s.err
}
