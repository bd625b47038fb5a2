// Interlocked operations: full barriers over the compiler's atomics.
//
// The functions have names of our own because clang knows the WDK's (_InterlockedIncrement, ...) as built-in functions
// under -fms-extensions and refuses a definition. The macros cast their target: drivers pass enums, typed pointers and
// ULONGs, and newer compilers take none of these for a LONG. Build such drivers with -fno-strict-aliasing.
// Increment, Decrement and Add give the new value; Exchange, ExchangeAdd, CompareExchange, And, Or, Xor the old one.
#ifndef SOFTNDK_WDK_DETAIL_INTERLOCKED_H
#define SOFTNDK_WDK_DETAIL_INTERLOCKED_H

#include "../ntdef.h"

#define SOFTNDK_DEFINE_INTERLOCKED(suffix, type)                                                                     \
  SOFTNDK_INLINE type SoftNdkInterlockedIncrement##suffix(type volatile* target) {                                   \
    return (type)__atomic_add_fetch(target, (type)1, __ATOMIC_SEQ_CST);                                              \
  }                                                                                                                  \
  SOFTNDK_INLINE type SoftNdkInterlockedDecrement##suffix(type volatile* target) {                                   \
    return (type)__atomic_sub_fetch(target, (type)1, __ATOMIC_SEQ_CST);                                              \
  }                                                                                                                  \
  SOFTNDK_INLINE type SoftNdkInterlockedAdd##suffix(type volatile* target, type value) {                             \
    return (type)__atomic_add_fetch(target, value, __ATOMIC_SEQ_CST);                                                \
  }                                                                                                                  \
  SOFTNDK_INLINE type SoftNdkInterlockedExchange##suffix(type volatile* target, type value) {                        \
    return (type)__atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);                                               \
  }                                                                                                                  \
  SOFTNDK_INLINE type SoftNdkInterlockedExchangeAdd##suffix(type volatile* target, type value) {                     \
    return (type)__atomic_fetch_add(target, value, __ATOMIC_SEQ_CST);                                                \
  }                                                                                                                  \
  SOFTNDK_INLINE type SoftNdkInterlockedAnd##suffix(type volatile* target, type value) {                             \
    return (type)__atomic_fetch_and(target, value, __ATOMIC_SEQ_CST);                                                \
  }                                                                                                                  \
  SOFTNDK_INLINE type SoftNdkInterlockedOr##suffix(type volatile* target, type value) {                              \
    return (type)__atomic_fetch_or(target, value, __ATOMIC_SEQ_CST);                                                 \
  }                                                                                                                  \
  SOFTNDK_INLINE type SoftNdkInterlockedXor##suffix(type volatile* target, type value) {                             \
    return (type)__atomic_fetch_xor(target, value, __ATOMIC_SEQ_CST);                                                \
  }                                                                                                                  \
  SOFTNDK_INLINE type SoftNdkInterlockedCompareExchange##suffix(type volatile* target, type value, type comparand) { \
    __atomic_compare_exchange_n(target, &comparand, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                   \
    return comparand;                                                                                                \
  }

SOFTNDK_DEFINE_INTERLOCKED(8, CHAR)
SOFTNDK_DEFINE_INTERLOCKED(16, SHORT)
SOFTNDK_DEFINE_INTERLOCKED(32, LONG)
SOFTNDK_DEFINE_INTERLOCKED(64, LONG64)

SOFTNDK_INLINE PVOID SoftNdkInterlockedExchangePointer(PVOID volatile* target, PVOID value) {
  return __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);
}

SOFTNDK_INLINE PVOID SoftNdkInterlockedCompareExchangePointer(PVOID volatile* target, PVOID value, PVOID comparand) {
  __atomic_compare_exchange_n(target, &comparand, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return comparand;
}

SOFTNDK_INLINE UCHAR SoftNdkInterlockedBitTestAndSet(LONG volatile* target, LONG bit) {
  const ULONG mask = 1u << (bit & 31);
  return (UCHAR)((__atomic_fetch_or((ULONG volatile*)target + (bit >> 5), mask, __ATOMIC_SEQ_CST) & mask) != 0);
}

SOFTNDK_INLINE UCHAR SoftNdkInterlockedBitTestAndReset(LONG volatile* target, LONG bit) {
  const ULONG mask = 1u << (bit & 31);
  return (UCHAR)((__atomic_fetch_and((ULONG volatile*)target + (bit >> 5), ~mask, __ATOMIC_SEQ_CST) & mask) != 0);
}

#define SOFTNDK_P8(p) ((CHAR volatile*)(p))
#define SOFTNDK_P16(p) ((SHORT volatile*)(p))
#define SOFTNDK_P32(p) ((LONG volatile*)(p))
#define SOFTNDK_P64(p) ((LONG64 volatile*)(p))
#define SOFTNDK_PP(p) ((PVOID volatile*)(p))

#define InterlockedIncrement(t) SoftNdkInterlockedIncrement32(SOFTNDK_P32(t))
#define InterlockedDecrement(t) SoftNdkInterlockedDecrement32(SOFTNDK_P32(t))
#define InterlockedAdd(t, v) SoftNdkInterlockedAdd32(SOFTNDK_P32(t), (LONG)(v))
#define InterlockedExchange(t, v) SoftNdkInterlockedExchange32(SOFTNDK_P32(t), (LONG)(v))
#define InterlockedExchangeAdd(t, v) SoftNdkInterlockedExchangeAdd32(SOFTNDK_P32(t), (LONG)(v))
#define InterlockedAnd(t, v) SoftNdkInterlockedAnd32(SOFTNDK_P32(t), (LONG)(v))
#define InterlockedOr(t, v) SoftNdkInterlockedOr32(SOFTNDK_P32(t), (LONG)(v))
#define InterlockedXor(t, v) SoftNdkInterlockedXor32(SOFTNDK_P32(t), (LONG)(v))
#define InterlockedCompareExchange(t, v, c) SoftNdkInterlockedCompareExchange32(SOFTNDK_P32(t), (LONG)(v), (LONG)(c))

#define InterlockedExchange8(t, v) SoftNdkInterlockedExchange8(SOFTNDK_P8(t), (CHAR)(v))
#define InterlockedOr8(t, v) SoftNdkInterlockedOr8(SOFTNDK_P8(t), (CHAR)(v))
#define InterlockedAnd8(t, v) SoftNdkInterlockedAnd8(SOFTNDK_P8(t), (CHAR)(v))

#define InterlockedIncrement16(t) SoftNdkInterlockedIncrement16(SOFTNDK_P16(t))
#define InterlockedDecrement16(t) SoftNdkInterlockedDecrement16(SOFTNDK_P16(t))
#define InterlockedExchange16(t, v) SoftNdkInterlockedExchange16(SOFTNDK_P16(t), (SHORT)(v))
#define InterlockedOr16(t, v) SoftNdkInterlockedOr16(SOFTNDK_P16(t), (SHORT)(v))
#define InterlockedAnd16(t, v) SoftNdkInterlockedAnd16(SOFTNDK_P16(t), (SHORT)(v))
#define InterlockedCompareExchange16(t, v, c) \
  SoftNdkInterlockedCompareExchange16(SOFTNDK_P16(t), (SHORT)(v), (SHORT)(c))

#define InterlockedIncrement64(t) SoftNdkInterlockedIncrement64(SOFTNDK_P64(t))
#define InterlockedDecrement64(t) SoftNdkInterlockedDecrement64(SOFTNDK_P64(t))
#define InterlockedAdd64(t, v) SoftNdkInterlockedAdd64(SOFTNDK_P64(t), (LONG64)(v))
#define InterlockedExchange64(t, v) SoftNdkInterlockedExchange64(SOFTNDK_P64(t), (LONG64)(v))
#define InterlockedExchangeAdd64(t, v) SoftNdkInterlockedExchangeAdd64(SOFTNDK_P64(t), (LONG64)(v))
#define InterlockedAnd64(t, v) SoftNdkInterlockedAnd64(SOFTNDK_P64(t), (LONG64)(v))
#define InterlockedOr64(t, v) SoftNdkInterlockedOr64(SOFTNDK_P64(t), (LONG64)(v))
#define InterlockedXor64(t, v) SoftNdkInterlockedXor64(SOFTNDK_P64(t), (LONG64)(v))
#define InterlockedCompareExchange64(t, v, c) \
  SoftNdkInterlockedCompareExchange64(SOFTNDK_P64(t), (LONG64)(v), (LONG64)(c))

#define InterlockedExchangePointer(t, v) SoftNdkInterlockedExchangePointer(SOFTNDK_PP(t), (PVOID)(v))
#define InterlockedCompareExchangePointer(t, v, c) \
  SoftNdkInterlockedCompareExchangePointer(SOFTNDK_PP(t), (PVOID)(v), (PVOID)(c))
#define InterlockedBitTestAndSet(t, bit) SoftNdkInterlockedBitTestAndSet(SOFTNDK_P32(t), bit)
#define InterlockedBitTestAndReset(t, bit) SoftNdkInterlockedBitTestAndReset(SOFTNDK_P32(t), bit)

#define _InterlockedIncrement InterlockedIncrement
#define _InterlockedDecrement InterlockedDecrement
#define _InterlockedAdd InterlockedAdd
#define _InterlockedExchange InterlockedExchange
#define _InterlockedExchangeAdd InterlockedExchangeAdd
#define _InterlockedAnd InterlockedAnd
#define _InterlockedOr InterlockedOr
#define _InterlockedXor InterlockedXor
#define _InterlockedCompareExchange InterlockedCompareExchange
#define _InterlockedExchange8 InterlockedExchange8
#define _InterlockedOr8 InterlockedOr8
#define _InterlockedAnd8 InterlockedAnd8
#define _InterlockedIncrement16 InterlockedIncrement16
#define _InterlockedDecrement16 InterlockedDecrement16
#define _InterlockedExchange16 InterlockedExchange16
#define _InterlockedOr16 InterlockedOr16
#define _InterlockedAnd16 InterlockedAnd16
#define _InterlockedCompareExchange16 InterlockedCompareExchange16
#define _InterlockedIncrement64 InterlockedIncrement64
#define _InterlockedDecrement64 InterlockedDecrement64
#define _InterlockedAdd64 InterlockedAdd64
#define _InlineInterlockedAdd InterlockedAdd
#define _InlineInterlockedAdd64 InterlockedAdd64
#define _InterlockedExchange64 InterlockedExchange64
#define _InterlockedExchangeAdd64 InterlockedExchangeAdd64
#define _InterlockedAnd64 InterlockedAnd64
#define _InterlockedOr64 InterlockedOr64
#define _InterlockedXor64 InterlockedXor64
#define _InterlockedCompareExchange64 InterlockedCompareExchange64
#define _InterlockedExchangePointer InterlockedExchangePointer
#define _InterlockedCompareExchangePointer InterlockedCompareExchangePointer
#define _interlockedbittestandset InterlockedBitTestAndSet
#define _interlockedbittestandreset InterlockedBitTestAndReset

#define ReadAcquire(p) __atomic_load_n((LONG const volatile*)(p), __ATOMIC_ACQUIRE)
#define ReadNoFence(p) __atomic_load_n((LONG const volatile*)(p), __ATOMIC_RELAXED)
#define ReadULongAcquire(p) __atomic_load_n((ULONG const volatile*)(p), __ATOMIC_ACQUIRE)
#define ReadULongNoFence(p) __atomic_load_n((ULONG const volatile*)(p), __ATOMIC_RELAXED)
#define ReadPointerAcquire(p) __atomic_load_n((PVOID const volatile*)(p), __ATOMIC_ACQUIRE)
#define ReadPointerNoFence(p) __atomic_load_n((PVOID const volatile*)(p), __ATOMIC_RELAXED)
#define WriteRelease(p, v) __atomic_store_n((LONG volatile*)(p), (LONG)(v), __ATOMIC_RELEASE)
#define WriteNoFence(p, v) __atomic_store_n((LONG volatile*)(p), (LONG)(v), __ATOMIC_RELAXED)
#define WritePointerRelease(p, v) __atomic_store_n((PVOID volatile*)(p), (PVOID)(v), __ATOMIC_RELEASE)

#define KeMemoryBarrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define MemoryBarrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define KeMemoryBarrierWithoutFence() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#ifndef SOFTNDK_HOST_SOCKETS
#define _mm_mfence() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define _mm_pause() YieldProcessor()
#endif
#define _ReadWriteBarrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#if defined(__x86_64__)
#define YieldProcessor() __builtin_ia32_pause()
#else
#define YieldProcessor() __asm__ volatile("yield")
#endif
#define __popcnt16(value) ((USHORT)__builtin_popcount((USHORT)(value)))
#define __popcnt(value) ((ULONG)__builtin_popcount((ULONG)(value)))

#endif
