#ifndef SOFTNDK_WDK_GUIDDEF_H
#define SOFTNDK_WDK_GUIDDEF_H

#include "detail/compiler.h"

#ifndef GUID_DEFINED
#define GUID_DEFINED
typedef struct _GUID {
  unsigned int Data1;
  unsigned short Data2;
  unsigned short Data3;
  unsigned char Data4[8];
} GUID;
#endif

typedef GUID *PGUID, *LPGUID;
typedef const GUID *PCGUID, *LPCGUID;
typedef GUID IID;
typedef GUID CLSID;

#ifdef __cplusplus
#define REFGUID const GUID&
#define REFIID const IID&
#define REFCLSID const CLSID&
#else
#define REFGUID const GUID*
#define REFIID const IID*
#define REFCLSID const CLSID*
#endif

// With INITGUID the including file owns the value; weak, so that several files of one driver may own the same GUID.
#ifdef __cplusplus
#define SOFTNDK_GUID_LINKAGE EXTERN_C
#else
#define SOFTNDK_GUID_LINKAGE  // C warns of an extern with a value
#endif
#define SOFTNDK_OWN_GUID(name, l, w1, w2, b1, b2, b3, b4, b5, b6, b7, b8) \
  EXTERN_C const GUID name __attribute__((weak));                         \
  SOFTNDK_GUID_LINKAGE const GUID name = {l, w1, w2, {b1, b2, b3, b4, b5, b6, b7, b8}}
#undef DEFINE_GUID
#ifdef INITGUID
#define DEFINE_GUID(name, l, w1, w2, b1, b2, b3, b4, b5, b6, b7, b8) \
  SOFTNDK_OWN_GUID(name, l, w1, w2, b1, b2, b3, b4, b5, b6, b7, b8)
#else
#define DEFINE_GUID(name, l, w1, w2, b1, b2, b3, b4, b5, b6, b7, b8) EXTERN_C const GUID name
#endif

#define SOFTNDK_GUID_EQUAL(a, b) (memcmp((a), (b), sizeof(GUID)) == 0)
#ifdef __cplusplus
#define IsEqualGUID(a, b) SOFTNDK_GUID_EQUAL(&(a), &(b))
#else
#define IsEqualGUID(a, b) SOFTNDK_GUID_EQUAL(a, b)
#endif
#define IsEqualIID(a, b) IsEqualGUID(a, b)
#define IsEqualCLSID(a, b) IsEqualGUID(a, b)

#endif
