// Package faultproxy is a TCP proxy for tests that misbehaves on demand: a network that is slow, gone, half gone, or cuts a connection
// in the middle of a frame. It stands between any two parties that speak over TCP: client and gateway, gateway and model server,
// gateway and PostgreSQL. It knows nothing of what it carries.
//
//	p := faultproxy.Start(t, server.Addr())
//	p.Set(faultproxy.Fault{Latency: 50 * time.Millisecond}) // both ways, also on connections that exist
//	p.Set(faultproxy.Fault{Blackhole: true})                // nothing passes, nobody is told: a partition
//	p.Reset()                                               // every connection ends by RST, now
//	p.Truncate(17)                                          // of what comes back, 17 bytes more, then RST
//	p.HalfOpen()                                            // the server's side is gone; the client's stays open and silent
//	p.Set(faultproxy.Fault{})                               // as good as new
package faultproxy
