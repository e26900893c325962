/* password_file.h: reads a keystore's password from its file. */
#ifndef KEYSTORE_PASSWORD_FILE_H
#define KEYSTORE_PASSWORD_FILE_H

#include "base/detail.h"
#include "base/result.h"
#include "base/secret.h"

/* Bytes of a file: a password of EIP2335_PASSWORD_MAX and room for line ends. */
enum { PASSWORD_FILE_MAX = 1024 + 64 };

/* Gives the file's bytes without the line ends behind them: any number of "\n" and "\r", as other
 * signers do, and nothing else. (What EIP-2335 itself strips, control codes anywhere, comes later.)
 * `detail` names the file. BAD_INPUT: nothing is left. LIMIT: over PASSWORD_FILE_MAX, or what is
 * left is over EIP2335_PASSWORD_MAX. Otherwise as file_read(). */
RESULT password_file_read(const char *path, struct secret_block *out, struct detail *detail);

#endif
