package limits

import "strings"

// Names of limits as services and people have them.
const (
	resourcePrefix = "limits/"
	resourceKeys   = "/keys/"
)

// ResourceName is limits/{name}, of one key of a limit limits/{name}/keys/{key}, percent-encoded.
func ResourceName(name string) string {
	if limit, key, keyed := SplitName(name); keyed {
		return resourcePrefix + limit + resourceKeys + key
	}
	return resourcePrefix + name
}

// NameOf is the inverse of ResourceName, with or without limits/ before it.
func NameOf(resource string) string {
	name := strings.TrimPrefix(resource, resourcePrefix)
	if limit, key, keyed := strings.Cut(name, resourceKeys); keyed {
		return limit + keySeparator + key
	}
	return name
}
