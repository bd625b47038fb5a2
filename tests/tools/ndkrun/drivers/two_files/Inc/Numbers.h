#pragma once
#define TWO_FILES_NUMBER 42
ULONG TwoFilesNumber(VOID);
