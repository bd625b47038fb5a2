// Kept for consumers that name it; all annotations come with sal.h and, for C, detail/old_sal.h.
#ifndef SOFTNDK_WDK_SPECSTRINGS_H
#define SOFTNDK_WDK_SPECSTRINGS_H

#include "sal.h"

#include "detail/old_sal.h"

#endif
