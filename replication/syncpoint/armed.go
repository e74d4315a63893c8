package syncpoint

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"trueup/server"
)

const sleepBegins = "DO SLEEP("

// switchMark is the comment that tells whoever reads the process list what a session is for.
func switchMark(pause string) string { return "/* trueup starts the applier, pause " + pause + " */" }

var markedPause = regexp.MustCompile(`/\* trueup starts the applier, pause ([A-Z0-9]+) \*/`)

// Switch is a session of a replica that will start an applier.
type Switch struct {
	Session uint64
	Pause   string // the pause's ID
	// Asleep: it has not begun to act.
	Asleep bool
}

// ArmedSwitches are the sessions of a replica that wait to start an applier, or are about to. An account sees its own; those
// of others take PROCESS.
func ArmedSwitches(ctx context.Context, session *server.Session) ([]Switch, error) {
	records, err := session.Records(ctx, "SHOW FULL PROCESSLIST")
	if err != nil {
		return nil, fmt.Errorf("looking for armed switches: %w", err)
	}
	var found []Switch
	for _, record := range records {
		statement := record.Text("Info")
		id, err := strconv.ParseUint(record.Text("Id"), 10, 64)
		if marked := markedPause.FindStringSubmatch(statement); marked != nil && err == nil {
			found = append(found, Switch{Session: id, Pause: marked[1], Asleep: strings.HasPrefix(statement, sleepBegins)})
		}
	}
	return found, nil
}
