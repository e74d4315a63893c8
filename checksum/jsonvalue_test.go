package checksum

import (
	"bytes"
	"testing"
)

func TestCanonicalJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		` { "b" : 1 , "a" : [ 1.0 , 1e0, -0, 0.10 ] } `: `{"a":[1,1,0,0.1],"b":1}`,
		`{"a":1,"a":2}`:               `{"a":2}`,
		`"\u00e9\/\n<"`:               `"é/\n<"`,
		`"\ud83d\ude00"`:              `"😀"`,
		`18446744073709551615`:        `18446744073709551615`,
		`-9223372036854775808`:        `-9223372036854775808`,
		`18446744073709551616`:        `1.8446744073709552e+19`,
		`9007199254740993`:            `9007199254740993`,
		`9007199254740993.0`:          `9.007199254740992e+15`,
		`0.1000000000000000055511151`: `0.1`,
		`null`:                        `null`, `true`: `true`, `[]`: `[]`, `{}`: `{}`,
		`"\ud800"`: ``, `{"\udc00":1}`: ``, `[1,]`: ``, ``: ``, `1 2`: ``, "\"\xff\"": ``, `1e999`: ``, `{"a":"` + "\ufffd" + `"}`: ``,
	} {
		got, ok := canonicalJSON([]byte(text))
		if string(got) != want || ok != (want != "") {
			t.Errorf("%s: %s, %v; want %s", text, got, ok, want)
		}
		if again, _ := canonicalJSON(got); ok && !bytes.Equal(again, got) {
			t.Errorf("%s becomes %s and then %s", text, got, again)
		}
	}
}

func FuzzCanonicalJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5,"x"]}`, `1e400`, `"\ud800"`, `-0.0`, `[[[]]]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, ok := canonicalJSON(text)
		if !ok {
			return
		}
		if again, ok := canonicalJSON(got); !ok || !bytes.Equal(again, got) {
			t.Errorf("%q becomes %q and then %q", text, got, again)
		}
	})
}
