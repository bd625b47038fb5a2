#ifndef SOFTNDK_WDK_NTDDK_H
#define SOFTNDK_WDK_NTDDK_H

#include "wdm.h"

#endif
