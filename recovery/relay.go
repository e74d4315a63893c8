package recovery

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"trueup/replication"
	"trueup/replication/binlog"
	"trueup/server"
)

// readRelay reads the replica's relay log from the place where its applier stands: as files of this machine where the replica runs on it and
// they can be read, else through the server.
func (r *run) readRelay(ctx context.Context, at replication.Position, take func(*binlog.Transaction) (bool, error)) error {
	session, err := r.replica.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return err
	}
	defer session.Close()
	log, err := replication.RelayPlace(ctx, session, r.channel)
	if err != nil {
		return err
	}
	place := binlog.RelayLog{File: log.File, Offset: log.Offset, At: at}
	if host, err := os.Hostname(); err == nil && r.request.LocalFiles && host == r.replica.Identity().Hostname {
		if dir, err := binlog.RelayDir(ctx, session); err == nil {
			if found, _ := filepath.Glob(filepath.Join(dir, filepath.Base(log.File))); len(found) == 1 {
				local := place
				local.Dir = dir
				if err := binlog.ReadRelay(ctx, session, local, limits, take); err == nil || errors.Is(err, binlog.ErrEnd) {
					return err
				}
			}
		}
	}
	return binlog.ReadRelay(ctx, session, place, limits, take)
}
