// What every header of the WDK's face assumes of the compiler: gcc and clang, C from gnu11 and C++ from 17, x86-64
// Linux.
//
// Switches a translation unit may set before the first include (or on the command line):
//   SOFTNDK_LIBRARY     sources of the library and of tools that also talk to the host. <netinet/in.h> and friends may
//                       come before or after: no sockaddr tags, no AF_*, IPPROTO_* or s_addr of ours. Implies the next.
//   SOFTNDK_HOST_SOCKETS   only that: the host's socket words stay the host's.
//   SOFTNDK_KERNEL_CXX  C++ that is kernel code and includes no standard library: gives what C gets anyway (min, max,
//                       IN, OUT, __in, __try). In other C++ these words would break the standard library's headers. The
//                       installed flags (pkg-config --cflags softndk) have it; SOFTNDK_HOST_SOCKETS takes it back, for a
//                       program of the host that wants the standard library after our headers.
//   SOFTNDK_NO_NT_ASSERT   NT_ASSERT, ASSERT check nothing; NT_VERIFY still evaluates (detail/assert.h).
//
// Only these four system headers ever come with ours: drivers define names like wait, send or logf for themselves.
#ifndef SOFTNDK_WDK_DETAIL_COMPILER_H
#define SOFTNDK_WDK_DETAIL_COMPILER_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if !defined(__LP64__) || !defined(__x86_64__) && !defined(__aarch64__)
#error "SoftNDK's headers describe the 64-bit Windows ABI and need a 64-bit Linux target"
#endif

#if defined(SOFTNDK_LIBRARY) && !defined(SOFTNDK_HOST_SOCKETS)
#define SOFTNDK_HOST_SOCKETS 1
#endif

#if defined(__cplusplus) && (!defined(SOFTNDK_KERNEL_CXX) || defined(SOFTNDK_HOST_SOCKETS))
#define SOFTNDK_KERNEL_WORDS 0
#else
#define SOFTNDK_KERNEL_WORDS 1
#endif

#ifdef __cplusplus
#define EXTERN_C extern "C"
#define EXTERN_C_START extern "C" {
#define EXTERN_C_END }
#define SOFTNDK_NOEXCEPT noexcept
#define SOFTNDK_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define EXTERN_C extern
#define EXTERN_C_START
#define EXTERN_C_END
#define SOFTNDK_NOEXCEPT
#define SOFTNDK_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

// Everything declared with one of these is exported by libsoftndk.so although the library hides what it defines.
#define SOFTNDK_API __attribute__((visibility("default")))
#define NTKERNELAPI SOFTNDK_API
#define NTSYSAPI SOFTNDK_API
#define NTHALAPI SOFTNDK_API
#define DECLSPEC_IMPORT

// One calling convention exists; the words for others are accepted anywhere MSVC takes them. Clang knows some of them
// as keywords under -fms-extensions, where redefining them is as legal.
#define NTAPI
#define WSKAPI
#define NETIOAPI_API_
#define APIENTRY
#define WINAPI
#define CALLBACK
#define FASTCALL
#define __cdecl
#define __stdcall
#define __fastcall
#define __vectorcall
#define _cdecl
#define _stdcall

#ifndef __pragma  // clang has it under -fms-extensions, as a built-in macro
#define __pragma(...)
#endif

#define DECLSPEC_ALIGN(n) __attribute__((aligned(n)))
#define DECLSPEC_NORETURN __attribute__((noreturn))
#define DECLSPEC_NOINLINE __attribute__((noinline))
#define DECLSPEC_SELECTANY __attribute__((weak))
#define DECLSPEC_NOTHROW __attribute__((nothrow))
#define DECLSPEC_DEPRECATED __attribute__((deprecated))
#define DECLSPEC_RESTRICT
#define DECLSPEC_NOVTABLE
#define DECLSPEC_UUID(x)
#define SYSTEM_CACHE_ALIGNMENT_SIZE 64
#define DECLSPEC_CACHEALIGN DECLSPEC_ALIGN(SYSTEM_CACHE_ALIGNMENT_SIZE)
#define MEMORY_ALLOCATION_ALIGNMENT 16

// Not `static`: drivers write that word themselves beside FORCEINLINE, and C takes it only once. Every call is inlined,
// so that C misses no definition at link time unless the driver takes such a function's address.
#define FORCEINLINE inline __attribute__((always_inline, unused))
#define SOFTNDK_INLINE static inline __attribute__((always_inline, unused))  // the inline functions of these headers
#define CFORCEINLINE FORCEINLINE
#define __forceinline inline __attribute__((always_inline))
#define DECLSPEC_INTRINSIC
#define __assume(condition) ((condition) ? (void)0 : __builtin_unreachable())
#define __debugbreak() __builtin_trap()

// __declspec(word): a keyword for clang under -fms-extensions, elsewhere mapped word by word.
#if defined(__has_declspec_attribute)
#if __has_declspec_attribute(align)
#define SOFTNDK_HAS_DECLSPEC 1
#endif
#endif
#ifndef SOFTNDK_HAS_DECLSPEC
#undef __declspec
#define __declspec(word) SOFTNDK_DECLSPEC_##word
#define SOFTNDK_DECLSPEC_align(n) __attribute__((aligned(n)))
#define SOFTNDK_DECLSPEC_noinline __attribute__((noinline))
#define SOFTNDK_DECLSPEC_noreturn __attribute__((noreturn))
#define SOFTNDK_DECLSPEC_nothrow __attribute__((nothrow))
#define SOFTNDK_DECLSPEC_selectany __attribute__((weak))
#define SOFTNDK_DECLSPEC_thread __thread
#define SOFTNDK_DECLSPEC_deprecated __attribute__((deprecated))
#define SOFTNDK_DECLSPEC_dllexport __attribute__((visibility("default")))
#define SOFTNDK_DECLSPEC_dllimport
#define SOFTNDK_DECLSPEC_novtable
#define SOFTNDK_DECLSPEC_restrict
#define SOFTNDK_DECLSPEC_allocator
#define SOFTNDK_DECLSPEC_noalias
#define SOFTNDK_DECLSPEC_code_seg(name)
#define SOFTNDK_DECLSPEC_allocate(name)
#define SOFTNDK_DECLSPEC_uuid(text)
#endif

// The sized integer keywords of MSVC, where the compiler lacks them.
#if defined(__clang__) && defined(SOFTNDK_HAS_DECLSPEC)
#define SOFTNDK_HAS_SIZED_INT 1
#endif
#ifndef SOFTNDK_HAS_SIZED_INT
#define __int8 char
#define __int16 short
#define __int32 int
#define __int64 long long
#endif

#endif
