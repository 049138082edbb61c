// Package replay is the command that decides recorded predictions again under another configuration.
package replay
