package limits

// States are what stores read of limits, by name, piece by piece and in any order.
type States map[string]State

// Trip adds the trip that holds, and who looks after it: an Acknowledgement with a zero At is none.
func (s States) Trip(t Trip, ack Acknowledgement) {
	st := s[t.Limit]
	st.Tripped, st.Trip = true, t
	if !ack.At.IsZero() {
		ack.Limit = t.Limit
		st.Ack = ack
	}
	s[t.Limit] = st
}

// Ask adds the latest reset that was asked for since the trip that holds.
func (s States) Ask(a Ask) {
	st := s[a.Limit]
	st.Ask = a
	s[a.Limit] = st
}

// Reset adds the last reset.
func (s States) Reset(r Reset) {
	st := s[r.Limit]
	st.LastReset = r
	s[r.Limit] = st
}

// Alerts are what stores read of open alerts. The zero value has none; trips come before what is about them.
type Alerts struct {
	all []Alert
	at  map[string]int
}

// Trip adds an alert. An Acknowledgement with a zero At is none.
func (a *Alerts) Trip(t Trip, ack Acknowledgement, latched bool) {
	if a.at == nil {
		a.at = map[string]int{}
	}
	if !ack.At.IsZero() {
		ack.Limit = t.Limit
	} else {
		ack = Acknowledgement{}
	}
	a.at[t.ID] = len(a.all)
	a.all = append(a.all, Alert{Trip: t, Ack: ack, Latched: latched})
}

// Reset adds how a trip ended; one of a trip that isn't here is left out.
func (a *Alerts) Reset(r Reset) {
	if i, ok := a.at[r.TripID]; ok {
		a.all[i].Reset = r
	}
}

// Message adds a message about a trip; of one that isn't here it is left out.
func (a *Alerts) Message(trip string, m AlertMessage) {
	if i, ok := a.at[trip]; ok {
		a.all[i].Messages = append(a.all[i].Messages, m)
	}
}

// All answers the alerts, in the order of their trips.
func (a *Alerts) All() []Alert { return a.all }
