// Package config finds out which servers a command is about and how to log in to them. Settings come, the first
// that speaks wins, from flags, the environment (TRUEUP_SOURCE, TRUEUP_REPLICAS, TRUEUP_PASSWORD), a cluster of
// the configuration file (trueup.yaml), an option file of the mysql client, and a prompt.
//
// It opens no connection. What is wrong with the settings is a *UsageError that says where it stands; neither errors
// nor warnings repeat a password.
package config
