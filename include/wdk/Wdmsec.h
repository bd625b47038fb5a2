// Consumers name this header and use nothing of it.
#ifndef SOFTNDK_WDK_WDMSEC_H
#define SOFTNDK_WDK_WDMSEC_H

#include "wdm.h"

#endif
