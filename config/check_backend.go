package config

import (
	"fmt"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// windowTimeouts is how many timeouts a breaker's window holds at least: a failure that takes longer than the window never
// counts, so that a server that hangs would never open its breaker.
const windowTimeouts = 2

func (c *checker) backend(at path, backend *candorv1.Backend) {
	c.replicas(at, backend)
	timeout, least := backend.GetTimeout().AsDuration(), backend.GetMinTimeout().AsDuration()
	window := backend.GetBreaker().GetWindow().AsDuration()
	breaker := at.field("breaker").field("window")
	if timeout > 0 && least >= timeout && !c.lost(at.field("timeout")) && !c.lost(at.field("min_timeout")) {
		where := at.field("min_timeout")
		if !c.written(where) {
			where = at.field("timeout")
		}
		c.complain(where, fmt.Sprintf("min_timeout %v is not below timeout %v: no attempt would ever be made", least, timeout),
			"raise timeout or lower min_timeout")
	}
	if timeout > 0 && window/windowTimeouts < timeout && !c.lost(at.field("timeout")) && !c.lost(breaker) {
		where := breaker
		if !c.written(where) {
			where = at.field("timeout")
		}
		remedy := fmt.Sprintf("write a breaker.window of at least %v, or a shorter timeout", times(windowTimeouts, timeout))
		c.complain(where, fmt.Sprintf("the breaker's window %v is too short for timeout %v: a server that hangs would not open it", window, timeout), remedy)
	}
	c.controls(at.field("allow"), backend)
	if client := backend.GetTls(); client != nil {
		at := at.field("tls")
		if cert, key := client.GetCertFile(), client.GetKeyFile(); (cert == "") != (key == "") && !c.lostWithin(at) {
			c.complain(at, "cert_file and key_file belong together", "give both, or neither")
		}
		c.keyPair(at, client.GetCertFile(), client.GetKeyFile())
		c.authorities(at.field("ca_file"), client.GetCaFile())
	}
	if many := len(backend.GetCard().GetScores()); backend.GetCalibrator() != "" && many > 1 {
		c.complain(at.field("calibrator"), fmt.Sprintf("a calibrator is made for one score, and the card has %d", many), "take it out")
	} else if backend.GetCalibrator() != "" && !calibratable(backend.GetCard()) && !c.lostWithin(at.field("card")) {
		c.complain(at.field("calibrator"), "the card has no score with labels: there are no probabilities to calibrate", "take it out, or declare the score")
	}
	if backend.GetCard() != nil {
		c.card(at.field("card"), backend.GetCard())
	}
}

// calibratable says that a card's scores are probabilities of labels, or make them.
func calibratable(card *candorv1.ModelCard) bool {
	for _, s := range card.GetScores() {
		if len(s.GetLabels()) > 1 {
			return true
		}
	}
	return false
}

// times is n times d, or the longest duration there is.
func times(n int, d time.Duration) time.Duration {
	const longest = time.Duration(1<<63 - 1)
	if d > longest/time.Duration(n) {
		return longest
	}
	return time.Duration(n) * d
}
