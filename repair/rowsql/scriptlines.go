package rowsql

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"trueup/server"
)

// The lines by which a program finds its way in a script.
const (
	headMark  = "-- trueup head "
	groupMark = "-- trueup group "
	endMark   = "-- trueup end of group "
	footMark  = "-- trueup end of file, groups: "
	// rowsLine notes the first statement of a group that changed another number of rows than it must. ROW_COUNT() is -1 after an error.
	rowsLine = "SET @trueup_bad = IF(@trueup_bad = 0 AND ROW_COUNT() <> %d, %d, @trueup_bad);\n"
)

// What @trueup_bad says beside the number of a statement.
const (
	otherServer     = -1
	applierRuns     = -2
	positionDiffers = -3
	otherSettings   = -4
)

// settled holds where the server has taken the settings without which the script would do harm.
const settled = "@@SESSION.sql_log_bin = 0 AND @@SESSION.autocommit = 0 AND @@SESSION.time_zone = '+00:00' AND @@SESSION.foreign_key_checks = 0" +
	" AND FIND_IN_SET('STRICT_ALL_TABLES', @@SESSION.sql_mode) > 0 AND FIND_IN_SET('NO_AUTO_VALUE_ON_ZERO', @@SESSION.sql_mode) > 0"

// decide executes a statement while nothing was found wrong, and what the server refuses as an error otherwise. NULL, which the variable is in
// a session in which the script did not begin, is wrong too. Servers show some 80 characters of the text.
func decide(statement string) string {
	return fmt.Sprintf("SET @trueup_sql = IF(@trueup_bad = 0, '%s', CASE WHEN @trueup_bad > 0"+
		" THEN CONCAT('STOPPED: nothing of this group is committed, its row changed: statement ', @trueup_bad)"+
		" WHEN @trueup_bad = %d THEN 'STOPPED: the applier runs. Stop its SQL thread and make a new plan'"+
		" WHEN @trueup_bad = %d THEN 'STOPPED: the replica is not at the position of the plan. Make a new plan'"+
		" WHEN @trueup_bad = %d THEN 'STOPPED: the server has refused a setting of the session'"+
		" ELSE 'STOPPED: this is not the server that the script was made for' END);\n"+
		"PREPARE trueup FROM @trueup_sql;\nEXECUTE trueup;\n", statement, applierRuns, positionDiffers, otherSettings)
}

// opening is the statements before the first group, without their semicolons.
func (h Header) opening() []string {
	lines := []string{
		"SET NAMES utf8mb4",
		"SET SESSION sql_log_bin = 0",
		Strict,
		"SET SESSION time_zone = '+00:00'",
		"SET SESSION autocommit = 0, SESSION completion_type = 0, SESSION foreign_key_checks = 0, SESSION unique_checks = 1",
		"SET SESSION sql_auto_is_null = 0, SESSION sql_safe_updates = 0, SESSION sql_select_limit = 18446744073709551615, SESSION sql_big_selects = 1",
		"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
		"SET SESSION TRANSACTION READ WRITE",
	}
	if h.On.Flavor == server.MariaDB {
		lines = append(lines, "SET SESSION max_statement_time = 0")
		if h.On.Version.AtLeast(10, 2, 1) { // row events are not checked either
			lines = append(lines, "SET SESSION check_constraint_checks = 0")
		}
	}
	lines = append(lines, fmt.Sprintf("SET @trueup_bad = IF(%s, IF(%s, 0, %d), %d)", serverCondition(h.On), settled, otherSettings, otherServer))
	var begin strings.Builder
	if h.Kind == Plan {
		h.recheck(&begin)
	}
	begin.WriteString(decide("DO 0"))
	return append(lines, strings.Split(strings.TrimSuffix(begin.String(), ";\n"), ";\n")...)
}

// recheck looks whether the applier still stands where the plan was made. A condition that the server refuses as an error leaves NULL, which is
// as good as false: a client may go on after errors.
func (h Header) recheck(w io.Writer) {
	fmt.Fprintf(w, "SET @trueup_stands = NULL, @trueup_there = NULL;\nSET @trueup_stands = %s;\nSET @trueup_there = %s;\n", h.applierCondition(), h.positionCondition())
	fmt.Fprintf(w, "SET @trueup_bad = IF(@trueup_bad = 0, IF(@trueup_stands, IF(@trueup_there, 0, %d), %d), @trueup_bad);\n", positionDiffers, applierRuns)
}

// describe says to people what the script is. Everything that has its text from elsewhere is made harmless.
func (h Header) describe(w io.Writer) {
	line := func(format string, a ...any) { fmt.Fprintln(w, strings.TrimSpace("-- "+fmt.Sprintf(format, a...))) }
	what := "makes rows of a replica equal to those of its source"
	if h.Kind == Undo {
		what = "takes back what a repair did to rows of a replica"
	}
	line("trueup %s: this script %s.", h.Kind, what)
	line("")
	line("run      %s, trueup %s, %s", forComment(h.Run), forComment(h.Version), h.At.UTC().Format(time.RFC3339))
	line("for      %s (%s %s, server id %d), and no other server: the script stops elsewhere", forComment(h.Replica), h.On.Flavor, h.On.Version, h.On.ServerID)
	if h.Source != "" {
		line("source   %s", forComment(h.Source))
	}
	if h.Kind == Plan {
		h.describePosition(line)
	}
	line("")
	line("Run it with the mysql or mariadb client, which stops at the first error, in a session of its own:")
	line("    mysql [options] --max-allowed-packet=1G%s < this-file", h.initCommand())
	line("Do not use --force or source. The account may need SUPER, or what takes its place: the changes are not written to the binary log,")
	line("so that servers which replicate from this one do not get them.")
	line("Each group of statements is one transaction. Each statement changes rows only while they are what they were, byte for byte.")
	line("If one changes another number of rows than it must, the script stops with an error and its group is not committed.")
	line("")
}

func (h Header) describePosition(line func(format string, a ...any)) {
	channel := ""
	if h.Channel != "" {
		channel = " of channel " + forComment(h.Channel)
	}
	if h.Appliers > 0 && h.On.Flavor == server.MariaDB {
		line("applier  the SQL threads of all channels must be stopped until the script has ended: the server does not tell SQL which one runs")
	}
	line("applier  the SQL thread%s must be stopped, and stand at the position of the plan, until the script has ended", channel)
	line("position %s", forComment(h.Position.String()))
	if h.GTID != "" {
		line("GTID     %s", forComment(h.GTID))
	}
	if h.mayAsk() {
		line("If the server does not show its position to SQL, say what SHOW SLAVE STATUS (SHOW REPLICA STATUS) shows as")
		line("Relay_Master_Log_File:Exec_Master_Log_Pos (Relay_Source_Log_File:Exec_Source_Log_Pos) in @trueup_position, else the script refuses to run.")
	}
}

func (h Header) initCommand() string {
	if h.Kind == Plan && h.mayAsk() {
		return ` --init-command="SET @trueup_position = 'FILE:POSITION'"`
	}
	return ""
}

// forComment makes text harmless in a comment that begins with two dashes and ends with the line: printable, and without what a client may
// take for a command or a quote.
func forComment(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\'' || r == '"' || r == '\\' || r == ';' || r == '*' || r == utf8.RuneError, r < ' ', r == 0x7f, r >= 0x80 && r < 0xa0, r == 0x2028, r == 0x2029:
			return '?'
		}
		return r
	}, text)
}

// onOneLine makes JSON harmless in a comment in the same way, without changing what it means: outside strings it has none of it, and in
// strings every character can be written as an escape by its number. Only the quotes of JSON itself and the backslashes of those escapes stay.
func onOneLine(encoded []byte) string {
	return strings.NewReplacer(`\"`, `\u0022`, `\\`, `\u005c`, `'`, `\u0027`, ";", `\u003b`, "*", `\u002a`, "\u007f", `\u007f`).Replace(string(encoded))
}
