package replication

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// gtidSource is what MySQL numbers transactions within: the server's UUID and, since 8.3, a tag.
type gtidSource struct{ uuid, tag string }

// gtidRange is an interval of transaction numbers, both ends included.
type gtidRange struct{ first, last uint64 }

// maxGTIDNumber is the highest number a MySQL transaction can have (MySQL manual, "GTID Format and Storage").
const maxGTIDNumber = 1<<63 - 2

var (
	hexUUID  = regexp.MustCompile(`^[0-9a-f]{32}$`)
	dashUUID = regexp.MustCompile(`^\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?$`)
	gtidTag  = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,31}$`)
)

// parseMySQLSet reads uuid[:tag]:interval[:interval]…[:tag:interval…], comma-separated. A tag holds for the
// intervals after it, until the next tag.
func parseMySQLSet(text string) (GTIDSet, error) {
	intervals := map[gtidSource][]gtidRange{}
	for _, part := range splitList(text) {
		fields := strings.Split(strings.ToLower(part), ":")
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		uuid, err := canonicalUUID(fields[0])
		if err != nil {
			return GTIDSet{}, err
		}
		if err := addIntervals(intervals, uuid, fields[1:]); err != nil {
			return GTIDSet{}, fmt.Errorf("%s: %w", uuid, err)
		}
	}
	for source, ranges := range intervals {
		intervals[source] = mergeRanges(ranges)
	}
	if len(intervals) == 0 {
		return GTIDSet{}, nil
	}
	return GTIDSet{intervals: intervals}, nil
}

func canonicalUUID(text string) (string, error) {
	if hexUUID.MatchString(text) {
		return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-"), nil
	}
	if dashUUID.MatchString(text) && strings.HasPrefix(text, "{") == strings.HasSuffix(text, "}") {
		return strings.Trim(text, "{}"), nil
	}
	return "", fmt.Errorf("%q is not a server UUID", text)
}

func addIntervals(intervals map[gtidSource][]gtidRange, uuid string, fields []string) error {
	source := gtidSource{uuid: uuid}
	wanted := true // an interval has to follow the UUID and each tag
	for _, field := range fields {
		if gtidTag.MatchString(field) {
			if wanted && source.tag != "" {
				return fmt.Errorf("tag %q has no interval", source.tag)
			}
			source.tag, wanted = field, true
			continue
		}
		r, err := parseRange(field)
		if err != nil {
			return err
		}
		wanted = false
		if r.first <= r.last { // the server takes 5-3 as an empty interval
			intervals[source] = append(intervals[source], r)
		}
	}
	if wanted {
		return fmt.Errorf("no interval at the end")
	}
	return nil
}

func parseRange(text string) (gtidRange, error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	from, err := parseGTIDNumber(first)
	if err != nil {
		return gtidRange{}, err
	}
	to, err := parseGTIDNumber(last)
	if err != nil {
		return gtidRange{}, err
	}
	return gtidRange{first: from, last: to}, nil
}

func parseGTIDNumber(text string) (uint64, error) {
	number, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil || number < 1 || number > maxGTIDNumber {
		return 0, fmt.Errorf("%q is neither a tag nor a transaction number of 1 to %d", text, uint64(maxGTIDNumber))
	}
	return number, nil
}

// mergeRanges sorts and joins what overlaps or touches.
func mergeRanges(ranges []gtidRange) []gtidRange {
	slices.SortFunc(ranges, func(a, b gtidRange) int { return cmp.Compare(a.first, b.first) })
	merged := ranges[:0]
	for _, r := range ranges {
		if n := len(merged); n > 0 && r.first <= merged[n-1].last+1 {
			merged[n-1].last = max(merged[n-1].last, r.last)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// coveredBy tells whether one of the ranges holds all of r; merged ranges never share an interval between two.
func coveredBy(r gtidRange, ranges []gtidRange) bool {
	return slices.ContainsFunc(ranges, func(c gtidRange) bool { return c.first <= r.first && r.last <= c.last })
}

// ofServer is the part of the set that one server has numbered, all tags included.
func (s GTIDSet) ofServer(uuid string) GTIDSet {
	own := map[gtidSource][]gtidRange{}
	for source, ranges := range s.intervals {
		if strings.EqualFold(source.uuid, uuid) {
			own[source] = ranges
		}
	}
	return GTIDSet{intervals: own}
}

func (s GTIDSet) mySQLString() string {
	sources := slices.SortedFunc(maps.Keys(s.intervals), func(a, b gtidSource) int {
		return cmp.Or(strings.Compare(a.uuid, b.uuid), strings.Compare(a.tag, b.tag))
	})
	var b strings.Builder
	last := ""
	for _, source := range sources {
		if source.uuid != last {
			if last != "" {
				b.WriteByte(',')
			}
			b.WriteString(source.uuid)
			last = source.uuid
		}
		if source.tag != "" {
			b.WriteString(":" + source.tag)
		}
		for _, r := range s.intervals[source] {
			fmt.Fprintf(&b, ":%d", r.first)
			if r.last > r.first {
				fmt.Fprintf(&b, "-%d", r.last)
			}
		}
	}
	return b.String()
}
