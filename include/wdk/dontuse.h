// On Windows this makes the use of some functions of C an error. Nothing here.
