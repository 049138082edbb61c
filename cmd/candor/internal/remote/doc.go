// Package remote connects a command to a running gateway: the flags that say where it is and who asks, the connection, and
// the gateway's errors in the words of the command line.
package remote
