// Text to IP addresses. STATUS_SUCCESS, or STATUS_INVALID_PARAMETER with nothing written but *Terminator. Ports in network byte order,
// 0 when the text names none. IRQL PASSIVE_LEVEL.
#ifndef SOFTNDK_WDK_IP2STRING_H
#define SOFTNDK_WDK_IP2STRING_H

#include "ntdef.h"
#include "ntstatus.h"
#include "ws2ipdef.h"

EXTERN_C_START

/// "a.b.c.d" or "a.b.c.d:port". Strict demands four decimal parts; otherwise inet_aton's shorter, octal and hexadecimal
/// forms count too.
NTSYSAPI NTSTATUS NTAPI RtlIpv4StringToAddressExW(_In_ PCWSTR AddressString, _In_ BOOLEAN Strict,
                                                  _Out_ IN_ADDR* Address, _Out_ PUSHORT Port) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlIpv4StringToAddressExA(_In_ PCSTR AddressString, _In_ BOOLEAN Strict, _Out_ IN_ADDR* Address,
                                                  _Out_ PUSHORT Port) SOFTNDK_NOEXCEPT;
/// An address at the beginning of a text: Terminator is where it ends, or where the text is that is none.
NTSYSAPI NTSTATUS NTAPI RtlIpv4StringToAddressW(_In_ PCWSTR String, _In_ BOOLEAN Strict, _Out_ PCWSTR* Terminator,
                                                _Out_ IN_ADDR* Address) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlIpv4StringToAddressA(_In_ PCSTR String, _In_ BOOLEAN Strict, _Out_ PCSTR* Terminator,
                                                _Out_ IN_ADDR* Address) SOFTNDK_NOEXCEPT;
/// "addr", "addr%scope", "[addr%scope]:port".
NTSYSAPI NTSTATUS NTAPI RtlIpv6StringToAddressExW(_In_ PCWSTR AddressString, _Out_ IN6_ADDR* Address,
                                                  _Out_ PULONG ScopeId, _Out_ PUSHORT Port) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlIpv6StringToAddressExA(_In_ PCSTR AddressString, _Out_ IN6_ADDR* Address,
                                                  _Out_ PULONG ScopeId, _Out_ PUSHORT Port) SOFTNDK_NOEXCEPT;

EXTERN_C_END

#endif
