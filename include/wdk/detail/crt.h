// The C library's names that kernel code has without an include. The host's are wrong for a 16-bit wchar_t, so these go
// to the runtime's by their link names: a C library header that comes later declares the same and changes nothing.
#ifndef SOFTNDK_WDK_DETAIL_CRT_H
#define SOFTNDK_WDK_DETAIL_CRT_H

#include "../ntdef.h"

#if __SIZEOF_WCHAR_T__ == 2 && !defined(SOFTNDK_HOST_SOCKETS)

#define SOFTNDK_CRT(name) __asm__(name)

EXTERN_C_START

SOFTNDK_API __SIZE_TYPE__ wcslen(const wchar_t* text) SOFTNDK_NOEXCEPT SOFTNDK_CRT("SoftNdkWcslen");
SOFTNDK_API wchar_t* wcscpy(wchar_t* __restrict to, const wchar_t* __restrict from) SOFTNDK_NOEXCEPT
    SOFTNDK_CRT("SoftNdkWcscpy");
SOFTNDK_API wchar_t* wcscat(wchar_t* __restrict to, const wchar_t* __restrict from) SOFTNDK_NOEXCEPT
    SOFTNDK_CRT("SoftNdkWcscat");
SOFTNDK_API wchar_t* wcsncpy(wchar_t* __restrict to, const wchar_t* __restrict from,
                             __SIZE_TYPE__ count) SOFTNDK_NOEXCEPT SOFTNDK_CRT("SoftNdkWcsncpy");
SOFTNDK_API int wcscmp(const wchar_t* a, const wchar_t* b) SOFTNDK_NOEXCEPT SOFTNDK_CRT("SoftNdkWcscmp");
SOFTNDK_API int wcsncmp(const wchar_t* a, const wchar_t* b, __SIZE_TYPE__ count) SOFTNDK_NOEXCEPT
    SOFTNDK_CRT("SoftNdkWcsncmp");
SOFTNDK_API int _wcsicmp(const wchar_t* a, const wchar_t* b) SOFTNDK_NOEXCEPT SOFTNDK_CRT("SoftNdkWcsicmp");
SOFTNDK_API int _wcsnicmp(const wchar_t* a, const wchar_t* b, __SIZE_TYPE__ count) SOFTNDK_NOEXCEPT
    SOFTNDK_CRT("SoftNdkWcsnicmp");
// To UTF-8. With `to` NULL, how many bytes it takes.
SOFTNDK_API __SIZE_TYPE__ wcstombs(char* __restrict to, const wchar_t* __restrict from,
                                   __SIZE_TYPE__ room) SOFTNDK_NOEXCEPT SOFTNDK_CRT("SoftNdkWcstombs");
// MSVC's lengths and its return value, -1 when the text was cut; what is written is terminated nevertheless.
SOFTNDK_API int _snprintf(char* to, __SIZE_TYPE__ room, const char* format, ...) SOFTNDK_NOEXCEPT
    SOFTNDK_CRT("SoftNdkSnprintf");
SOFTNDK_API int _vsnprintf(char* to, __SIZE_TYPE__ room, const char* format, va_list arguments) SOFTNDK_NOEXCEPT
    SOFTNDK_CRT("SoftNdkVsnprintf");
SOFTNDK_API int sprintf_s(char* to, __SIZE_TYPE__ room, const char* format, ...) SOFTNDK_NOEXCEPT
    SOFTNDK_CRT("SoftNdkSprintfS");
SOFTNDK_API int _stricmp(const char* a, const char* b) SOFTNDK_NOEXCEPT SOFTNDK_CRT("SoftNdkStricmp");
SOFTNDK_API int _strnicmp(const char* a, const char* b, __SIZE_TYPE__ count) SOFTNDK_NOEXCEPT
    SOFTNDK_CRT("SoftNdkStrnicmp");
// 0, or an error number with an empty text: these never cut.
SOFTNDK_API int strcpy_s(char* to, __SIZE_TYPE__ room, const char* from) SOFTNDK_NOEXCEPT SOFTNDK_CRT("SoftNdkStrcpyS");
SOFTNDK_API int strcat_s(char* to, __SIZE_TYPE__ room, const char* from) SOFTNDK_NOEXCEPT SOFTNDK_CRT("SoftNdkStrcatS");
SOFTNDK_API int wcscpy_s(wchar_t* to, __SIZE_TYPE__ room, const wchar_t* from) SOFTNDK_NOEXCEPT
    SOFTNDK_CRT("SoftNdkWcscpyS");
SOFTNDK_API int wcscat_s(wchar_t* to, __SIZE_TYPE__ room, const wchar_t* from) SOFTNDK_NOEXCEPT
    SOFTNDK_CRT("SoftNdkWcscatS");
SOFTNDK_API int memcpy_s(void* to, __SIZE_TYPE__ room, const void* from, __SIZE_TYPE__ count) SOFTNDK_NOEXCEPT
    SOFTNDK_CRT("SoftNdkMemcpyS");
SOFTNDK_API int memmove_s(void* to, __SIZE_TYPE__ room, const void* from, __SIZE_TYPE__ count) SOFTNDK_NOEXCEPT
    SOFTNDK_CRT("SoftNdkMemcpyS");

EXTERN_C_END

#endif

#endif
