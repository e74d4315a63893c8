package schema

import (
	"slices"
	"testing"
)

func TestCascadingParents(t *testing.T) {
	t.Parallel()
	const definition = "CREATE TABLE `c` (\n  `id` int NOT NULL,\n  `note` varchar(90) DEFAULT 'REFERENCES `x` (`y`) ON DELETE RESTRICT',\n  PRIMARY KEY (`id`),\n" +
		"  CONSTRAINT `a` FOREIGN KEY (`p`) REFERENCES `p` (`id`) ON DELETE CASCADE,\n" +
		"  CONSTRAINT `b` FOREIGN KEY (`q`, `r`) REFERENCES `other`.`q``s` (`id`, `r`) ON UPDATE SET NULL,\n" +
		"  CONSTRAINT `d` FOREIGN KEY (`s`) REFERENCES `s` (`id`) ON DELETE NO ACTION ON UPDATE RESTRICT,\n" +
		"  CONSTRAINT `e` FOREIGN KEY (`t`) REFERENCES `t` (`id`)\n) ENGINE=InnoDB"
	got := cascadingParents(definition, Name{"app", "c"})
	if want := []Name{{"app", "p"}, {"other", "q`s"}}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
