// Package soak holds promises 1 and 3 to 9 of Candor's ten as tests of the whole (2, limits over gateways, is store/postgres
// TestLimitOracle; 10, changes under load, is cmd/candor TestRollingRestart and gateway's tests of reloading): the real program in processes of its own, real sockets, a real
// store, and faults that are made on purpose.
//
//	go test ./soak                                        each in its short form, as CI runs them
//	go test ./soak -v -timeout 60m -soak 1m -report out   each for a minute or more, with out/report.txt and out/report.json
//	go test ./soak -v -run Promise5 -soak 5m              one of them
//
// A promise that is broken fails its test. What a test measured on the way stands in its log (-v) and in the report. Times are printed,
// and judged only as ratios within one run: machines are shared.
package soak
