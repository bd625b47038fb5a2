// CTL_CODE and what it is made of; all of it is in wdm.h.
#include "wdm.h"
