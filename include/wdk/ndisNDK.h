// The spelling some drivers use for ndisndk.h.
#include "ndisndk.h"
