#include "keystore/password_file.h"

#include "base/file.h"
#include "keystore/eip2335.h"

_Static_assert((int)PASSWORD_FILE_MAX > (int)EIP2335_PASSWORD_MAX, "the longest password must fit");

RESULT password_file_read(const char *path, struct secret_block *out, struct detail *detail)
{
    SECRET_BLOCK block = { 0 };
    TRY(file_read(path, PASSWORD_FILE_MAX, &block, detail));
    detail_set(detail, "%s", path);
    while (block.size > 0 &&
           (block.data[block.size - 1] == '\n' || block.data[block.size - 1] == '\r')) {
        block.size--;
    }
    ENSURE(block.size > 0, BAD_INPUT, "the password file is empty");
    ENSURE(block.size <= EIP2335_PASSWORD_MAX, LIMIT, "the password is over 1024 bytes");
    *out = block;
    block = (struct secret_block){ .data = NULL };
    return OK;
}
