// Package cli is the command line: one file a command, the flags they share, and what urfave/cli does
// differently from what this program promises: unknown commands and flags, flags after arguments and scalars given twice are usage errors (exit code 64,
// on standard error), lists do not split at commas, and -v is not the version. Help is our own too, since it must be
// readable at 80 columns and list the exit codes.
//
// A command is a constructor, an options struct and run…(ctx, options, streams). Main maps what they return to an exit code.
package cli
