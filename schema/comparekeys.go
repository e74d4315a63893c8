package schema

import (
	"fmt"
	"strings"
)

// Key finds a key by name; letter case is ignored, as every server does.
func (t *Table) Key(name string) (Key, bool) {
	for _, key := range t.Keys {
		if strings.EqualFold(key.Name, name) {
			return key, true
		}
	}
	return Key{}, false
}

func (c *comparison) keys() {
	for _, s := range c.source.Keys {
		if r, ok := c.replica.Key(s.Name); ok {
			c.key(s, r)
		} else {
			c.add("key "+s.Name, "missing", s.describe(), "")
		}
	}
	for _, r := range c.replica.Keys {
		if _, ok := c.source.Key(r.Name); !ok {
			c.add("key "+r.Name, "extra", "", r.describe())
		}
	}
}

func (c *comparison) key(s, r Key) {
	object := "key " + s.Name
	c.flag(object, "unique", s.Unique, r.Unique)
	c.text(object, "type", s.Type, r.Type, strings.ToLower)
	c.flag(object, "hidden", s.Hidden, r.Hidden)
	if !strings.EqualFold(s.parts(normalExpression), r.parts(normalExpression)) {
		same := func(expression string) string { return expression }
		c.add(object, "columns", s.parts(same), r.parts(same))
	}
}

// describe is a key in one line: UNIQUE (a, b(5) DESC).
func (k Key) describe() string {
	same := func(expression string) string { return expression }
	if k.Unique && !k.Primary {
		return "UNIQUE (" + k.parts(same) + ")"
	}
	return "(" + k.parts(same) + ")"
}

func (k Key) parts(expression func(string) string) string {
	parts := make([]string, len(k.Columns))
	for i, column := range k.Columns {
		text := column.Name
		if column.Expression != "" {
			text = "(" + expression(column.Expression) + ")"
		}
		if column.Prefix > 0 {
			text += fmt.Sprintf("(%d)", column.Prefix)
		}
		if column.Descending {
			text += " DESC"
		}
		parts[i] = text
	}
	return strings.Join(parts, ", ")
}
