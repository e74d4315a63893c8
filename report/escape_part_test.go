package report

import (
	"strings"
	"testing"
)

// TestPartOfALongValue: what is shown of a value that the check itself cut says how long the whole is, and nothing else.
func TestPartOfALongValue(t *testing.T) {
	t.Parallel()
	source, replica := strings.Repeat("(a) ", 256), strings.Repeat("(a) ", 20)+"!"+strings.Repeat("(a) ", 235)
	got := showPair(&Value{Value: &source, Encoding: "text", Bytes: 40_000, Offset: 19_936}, &Value{Value: &replica, Encoding: "text", Bytes: 39_997, Offset: 19_936})
	if want := `…") (a) (a) (a) (a) (a) (a) (a) (a) (a) (a"… (of 40,000 bytes) → …") (a) (a) !(a) (a) (a) (a) (a) (a) (a) ("… (of 39,997 bytes)`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
