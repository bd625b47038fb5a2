// The GUIDs that are declared after this are owned by the file that includes it.
#ifndef INITGUID
#define INITGUID
#endif
#include "guiddef.h"
// guiddef.h may have been included before, without owning anything.
#undef DEFINE_GUID
#define DEFINE_GUID(name, l, w1, w2, b1, b2, b3, b4, b5, b6, b7, b8) \
  SOFTNDK_OWN_GUID(name, l, w1, w2, b1, b2, b3, b4, b5, b6, b7, b8)
