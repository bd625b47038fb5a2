// Assertions and the check behind PAGED_CODE.
#ifndef SOFTNDK_WDK_DETAIL_ASSERT_H
#define SOFTNDK_WDK_DETAIL_ASSERT_H

#include "../ntdef.h"

EXTERN_C_START

/// Reports a failed assertion of a driver and, unless the runtime's settings say otherwise, aborts. Returns only then.
/// IRQL  any
SOFTNDK_API void SoftNdkAssertFailed(const char* file, int line, const char* text) SOFTNDK_NOEXCEPT;

/// Reports and aborts when the calling thread is at DISPATCH_LEVEL or above: pageable code would fault there.
/// IRQL  any; that is the question
SOFTNDK_API void SoftNdkPagedCode(const char* function, const char* file, int line) SOFTNDK_NOEXCEPT;

EXTERN_C_END

SOFTNDK_INLINE BOOLEAN SoftNdkVerified(BOOLEAN holds, const char* file, int line, const char* text) {
  if (!holds) SoftNdkAssertFailed(file, line, text);
  return holds;
}

// An expression without value. Switched off it still names its operands, so that parameters stay used.
#ifdef SOFTNDK_NO_NT_ASSERT
#define NT_ASSERT(e) ((void)(0 && (e)))
#define NT_VERIFY(e) SoftNdkVerified((BOOLEAN)((e) ? TRUE : (1 ? TRUE : FALSE)), NULL, 0, NULL)
#else
#define NT_ASSERT(e) ((void)((e) || (SoftNdkAssertFailed(__FILE__, __LINE__, #e), 0)))
#define NT_VERIFY(e) SoftNdkVerified((BOOLEAN)((e) ? TRUE : FALSE), __FILE__, __LINE__, #e)
#endif
#define NT_ASSERTMSG(message, e) NT_ASSERT((e) && (message))
#define NT_VERIFYMSG(message, e) NT_VERIFY((e) && (message))
#define NT_FRE_ASSERT(e) NT_VERIFY(e)
#define RTL_VERIFY(e) NT_VERIFY(e)
#ifndef ASSERT
#define ASSERT(e) NT_ASSERT(e)
#endif
#ifndef ASSERTMSG
#define ASSERTMSG(message, e) NT_ASSERT((e) && (message))
#endif

// Complete with its semicolon, because drivers write it with and without one.
#define PAGED_CODE() SoftNdkPagedCode(__func__, __FILE__, __LINE__);
#define PAGED_ASSERT(e) NT_ASSERT(e)

#endif
