package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"trueup/check"
)

// throttleOptions say when a check makes way for other work.
type throttleOptions struct {
	maxLag         time.Duration
	maxLagSet      bool
	maxLoad        []string
	maxDuration    time.Duration
	maxDurationSet bool
}

// throttleFlags are those of a check; bounded is false for a repair, which --max-duration does not bound: there it is taken only to be refused with
// the reason, and no help lists it.
func throttleFlags(bounded bool) []cli.Flag {
	const category = "Making way for other work"
	return []cli.Flag{
		&cli.DurationFlag{Category: category, Name: "max-lag", Usage: "wait, without snapshots, while a replica lags by more than `TIME`, its own delay left out; what cannot be read counts as too much (no limit by default)"},
		&cli.StringSliceFlag{Category: category, Name: "max-load", Usage: "wait while `VARIABLE=N` of SHOW GLOBAL STATUS, such as Threads_running=25, is higher on the source or a replica (repeatable)"},
		&cli.DurationFlag{Category: category, Name: "max-duration", Hidden: !bounded, Usage: "end the check after `TIME`; what was not compared by then is unverified (no limit by default)"},
	}
}

func throttleOptionsFrom(c *cli.Context) throttleOptions {
	return throttleOptions{maxLag: c.Duration("max-lag"), maxLagSet: c.IsSet("max-lag"), maxLoad: c.StringSlice("max-load"),
		maxDuration: c.Duration("max-duration"), maxDurationSet: c.IsSet("max-duration")}
}

// apply sets what was asked for. A limit of 0 is refused: it would be none.
func (o throttleOptions) apply(request *check.Request) error {
	switch {
	case o.maxLagSet && o.maxLag <= 0:
		return usagef("--max-lag %v: the limit is a time above 0; leave the flag out for none", o.maxLag)
	case o.maxDurationSet && o.maxDuration <= 0:
		return usagef("--max-duration %v: the limit is a time above 0; leave the flag out for none", o.maxDuration)
	}
	request.Throttle.MaxLag, request.MaxDuration = o.maxLag, o.maxDuration
	for _, text := range o.maxLoad {
		limit, err := parseLoad(text)
		if err != nil {
			return err
		}
		request.Throttle.MaxLoad = append(request.Throttle.MaxLoad, limit)
	}
	return nil
}

// parseLoad reads Variable=N. pt-table-checksum's users also know Variable:N, several limits with commas between, and a name
// alone, which stands for the value of the moment and a fifth: that would make the limit a matter of chance.
func parseLoad(text string) (check.LoadLimit, error) {
	if strings.Contains(text, ",") {
		return check.LoadLimit{}, usagef("--max-load %q: a comma separates nothing; give the flag once for each variable", text)
	}
	at := strings.IndexAny(text, "=:")
	if at < 0 {
		return check.LoadLimit{}, usagef("--max-load %q: give the limit with the variable, like Threads_running=25", text)
	}
	number, err := strconv.ParseFloat(text[at+1:], 64)
	if err != nil {
		return check.LoadLimit{}, usagef("--max-load %q: %q is not a number; write it like Threads_running=25", text, text[at+1:])
	}
	return check.LoadLimit{Variable: text[:at], Most: number}, nil
}
