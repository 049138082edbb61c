package gateway

import (
	"errors"
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// rowRule answers a row of a call with one of the model's labels; empty: it abstains.
type rowRule func(c *call, row int) (label string, err error)

// ruleCompiler compiles a rule over the inputs that a card declares.
type ruleCompiler func(source string, card *candorv1.ModelCard) (rowRule, error)

// addRule compiles the rule with this source, if there is one, for the rows of this model. Without a compiler there are no rules.
func (m *model) addRule(source string, compile ruleCompiler) error {
	switch {
	case source == "":
		return nil
	case compile == nil:
		return errors.New("rules are not available in this version; write backend, constant_label or constant_value")
	}
	compiled, err := compile(source, m.backendCfg.GetCard())
	if err != nil {
		return err
	}
	if m.rules == nil {
		m.rules = map[string]rowRule{}
	}
	m.rules[source] = compiled
	return nil
}

// rule answers a row by one of the model's rules.
func (c *call) rule(source string, row int) (string, error) {
	compiled := c.model.rules[source]
	if compiled == nil {
		return "", fmt.Errorf("%.40q was not compiled", source)
	}
	return compiled(c, row)
}
