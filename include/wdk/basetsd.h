// Integers as wide as their names say, and those as wide as a pointer. LLP64: `long` never occurs.
// The 64-bit ones are `long long`, as on Windows, so that %llu and C++ overloads choose what they choose there.
#ifndef SOFTNDK_WDK_BASETSD_H
#define SOFTNDK_WDK_BASETSD_H

#include "detail/compiler.h"

typedef signed char INT8, *PINT8;
typedef signed short INT16, *PINT16;
typedef signed int INT32, *PINT32;
typedef signed long long INT64, *PINT64;
typedef unsigned char UINT8, *PUINT8;
typedef unsigned short UINT16, *PUINT16;
typedef unsigned int UINT32, *PUINT32;
typedef unsigned long long UINT64, *PUINT64;

typedef signed int LONG32, *PLONG32;
typedef unsigned int ULONG32, *PULONG32;
typedef unsigned int DWORD32, *PDWORD32;
typedef signed long long LONG64, *PLONG64;
typedef unsigned long long ULONG64, *PULONG64;
typedef unsigned long long DWORD64, *PDWORD64;

typedef signed long long INT_PTR, *PINT_PTR;
typedef unsigned long long UINT_PTR, *PUINT_PTR;
typedef signed long long LONG_PTR, *PLONG_PTR;
typedef unsigned long long ULONG_PTR, *PULONG_PTR;
typedef unsigned long long DWORD_PTR, *PDWORD_PTR;
typedef ULONG_PTR SIZE_T, *PSIZE_T;
typedef LONG_PTR SSIZE_T, *PSSIZE_T;
typedef ULONG_PTR KAFFINITY, *PKAFFINITY;

#define MAXUINT8 ((UINT8)0xff)
#define MAXINT8 ((INT8)0x7f)
#define MAXUINT16 ((UINT16)0xffff)
#define MAXUINT32 ((UINT32)0xffffffffu)
#define MAXUINT64 ((UINT64)0xffffffffffffffffull)
#define MAXINT32 ((INT32)0x7fffffff)
#define MAXINT64 ((INT64)0x7fffffffffffffffll)
#define MAXULONG64 ((ULONG64)0xffffffffffffffffull)
#define MAXLONG64 ((LONG64)0x7fffffffffffffffll)
#define MAXSIZE_T ((SIZE_T)0xffffffffffffffffull)
#define MAXULONG_PTR ((ULONG_PTR)0xffffffffffffffffull)

#define PtrToUlong(p) ((unsigned int)(ULONG_PTR)(p))
#define PtrToLong(p) ((int)(LONG_PTR)(p))
#define PtrToUint(p) ((unsigned int)(ULONG_PTR)(p))
#define UlongToPtr(u) ((void*)(ULONG_PTR)(unsigned int)(u))
#define UintToPtr(u) ((void*)(ULONG_PTR)(unsigned int)(u))
#define LongToPtr(l) ((void*)(LONG_PTR)(int)(l))
#define HandleToUlong(h) ((unsigned int)(ULONG_PTR)(h))
#define HandleToULong(h) HandleToUlong(h)
#define UlongToHandle(u) ((void*)(LONG_PTR)(int)(u))

#endif
