// Kept for consumers that name it; guiddef.h is all of it that they use.
#ifndef SOFTNDK_WDK_UUIDS_H
#define SOFTNDK_WDK_UUIDS_H

#include "guiddef.h"

#endif
