// Runtime library: memory, strings, byte order, debug output.
#ifndef SOFTNDK_WDK_DETAIL_RTL_H
#define SOFTNDK_WDK_DETAIL_RTL_H

#include "../ntdef.h"

#define RtlZeroMemory(destination, length) memset((destination), 0, (size_t)(length))
#define RtlFillMemory(destination, length, fill) memset((destination), (fill), (size_t)(length))
#define RtlCopyMemory(destination, source, length) memcpy((destination), (source), (size_t)(length))
#define RtlMoveMemory(destination, source, length) memmove((destination), (source), (size_t)(length))
#define RtlCopyBytes RtlCopyMemory
#define RtlZeroBytes RtlZeroMemory
#define RtlEqualMemory(a, b, length) (!memcmp((a), (b), (size_t)(length)))

SOFTNDK_INLINE PVOID RtlSecureZeroMemory(PVOID pointer, SIZE_T count) {
  memset(pointer, 0, (size_t)count);
  __asm__ volatile("" : : "r"(pointer) : "memory");  // the bytes count as read: the store stays
  return pointer;
}

#define RtlUshortByteSwap(value) __builtin_bswap16((USHORT)(value))
#define RtlUlongByteSwap(value) __builtin_bswap32((ULONG)(value))
#define RtlUlonglongByteSwap(value) ((ULONGLONG)__builtin_bswap64((ULONGLONG)(value)))
#define _byteswap_ushort(value) RtlUshortByteSwap(value)
#define _byteswap_ulong(value) RtlUlongByteSwap(value)
#define _byteswap_uint64(value) RtlUlonglongByteSwap(value)

EXTERN_C_START

/// How many leading bytes are equal: `Length` when all are. IRQL any.
NTSYSAPI SIZE_T NTAPI RtlCompareMemory(_In_ const VOID* Source1, _In_ const VOID* Source2,
                                       _In_ SIZE_T Length) SOFTNDK_NOEXCEPT;
/// The string is not copied and has to outlive the descriptor; NULL makes an empty one.
NTSYSAPI VOID NTAPI RtlInitUnicodeString(_Out_ PUNICODE_STRING DestinationString,
                                         _In_opt_ PCWSTR SourceString) SOFTNDK_NOEXCEPT;

/// printf with MSVC's lengths: %lu is 32 bits, %llu and %I64u are 64; %ws, %S, %wZ, %Z as well. IRQL any.
NTSYSAPI ULONG DbgPrint(_In_ PCSTR Format, ...) SOFTNDK_NOEXCEPT;
/// Level 0 to 31 is a bit number, larger values are a mask; what shows is a setting of the runtime.
NTSYSAPI ULONG DbgPrintEx(_In_ ULONG ComponentId, _In_ ULONG Level, _In_ PCSTR Format, ...) SOFTNDK_NOEXCEPT;

EXTERN_C_END

#define DPFLTR_ERROR_LEVEL 0
#define DPFLTR_WARNING_LEVEL 1
#define DPFLTR_TRACE_LEVEL 2
#define DPFLTR_INFO_LEVEL 3
#define DPFLTR_MASK 0x80000000u
#define DPFLTR_SYSTEM_ID 0
#define DPFLTR_DEFAULT_ID 101
#define DPFLTR_IHVNETWORK_ID 76
#define DPFLTR_IHVDRIVER_ID 77

#define KdPrint(parenthesised) ((void)DbgPrint parenthesised)
#define KdPrintEx(parenthesised) ((void)DbgPrintEx parenthesised)
#define DbgBreakPoint() __builtin_trap()

#endif
