// Package cli is what the commands of candor share: how a command fails, and how it writes to a terminal or for a program.
//
// A command returns an error and prints none. [Report] prints it, once, as "candor: what; remedy", and answers the exit status.
package cli
