// The spelling of case-sensitive file systems for Wdmsec.h.
#include "Wdmsec.h"
