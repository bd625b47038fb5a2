#ifndef LEAKY_DRIVER_H
#define LEAKY_DRIVER_H

typedef enum _LEAKY_MISTAKE { LEAKY_NOTHING, LEAKY_LEAKS, LEAKY_HANGS } LEAKY_MISTAKE;
extern LEAKY_MISTAKE LeakyMistake;
extern ULONG LeakyInterface;
VOID LeakyRescue(VOID);

#endif
