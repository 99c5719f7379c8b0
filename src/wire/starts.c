/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/starts.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void starts_codec(struct codec *c, struct starts *s)
{
    codec_u32(c, &s->failed);
    codec_enum(c, &s->blame, STARTS_BLAME_COUNT);
    codec_text(c, s->line, sizeof s->line);
}

const char *starts_blame_text(int blame)
{
    static const char *const texts[STARTS_BLAME_COUNT] = {"nothing", "data", "host"};
    return blame >= 0 && blame < STARTS_BLAME_COUNT ? texts[blame] : "invalid";
}

struct words {
    int blame;
    const char *text;
};

/*
 * Of data: recorded from servers whose files were damaged on purpose, MariaDB 10.11 (M) and MySQL
 * 9.7 (Y). What a server says of a file that is not there is left out on purpose, and so is what
 * MySQL says after every failure ("Data Dictionary initialization failed").
 */
static const struct words starts_words[] = {
    /* ---- host: as libc words errors, and as the servers name options, locks and versions ---- */
    {STARTS_BLAME_HOST, "No space left on device"},      /* ENOSPC */
    {STARTS_BLAME_HOST, "Read-only file system"},        /* EROFS */
    {STARTS_BLAME_HOST, "Input/output error"},           /* EIO */
    {STARTS_BLAME_HOST, "Permission denied"},            /* EACCES */
    {STARTS_BLAME_HOST, "Cannot allocate memory"},       /* ENOMEM */
    {STARTS_BLAME_HOST, "Too many open files"},          /* EMFILE */
    {STARTS_BLAME_HOST, "Address already in use"},       /* EADDRINUSE */
    {STARTS_BLAME_HOST, "Cannot assign requested addr"}, /* EADDRNOTAVAIL */
    {STARTS_BLAME_HOST, "error number 28"}, /* InnoDB: "Operating system error number N */
    {STARTS_BLAME_HOST, "error number 30"}, /* in a file operation" */
    {STARTS_BLAME_HOST, "error number 13"},
    {STARTS_BLAME_HOST, "error number 5 "},
    {STARTS_BLAME_HOST, "Disk full"},
    {STARTS_BLAME_HOST, "Disk is full"},
    {STARTS_BLAME_HOST, "Unable to lock"}, /* InnoDB: another server has the files */
    {STARTS_BLAME_HOST, "Do you already have another"},
    {STARTS_BLAME_HOST, "unknown variable"},
    {STARTS_BLAME_HOST, "unknown option"},
    {STARTS_BLAME_HOST, "ambiguous option"},
    {STARTS_BLAME_HOST, "Can't start server"},
    {STARTS_BLAME_HOST, "must be writable"}, /* Y: innodb_system data file 'ibdata1' must be ... */
    {STARTS_BLAME_HOST, "Can't change dir"},
    {STARTS_BLAME_HOST, "Can't change to run as user"},
    {STARTS_BLAME_HOST, "upgrade is not supported"},   /* Y: of a version that is too old */
    {STARTS_BLAME_HOST, "downgrade is not supported"}, /* Y: of a version that is newer */
    {STARTS_BLAME_HOST, "Invalid MySQL server downgrade"},
    /* Settings that do not fit the files, upon which the files are called corrupt (M, Y), and pages
     * that cannot be read for want of a key. */
    {STARTS_BLAME_HOST, "innodb_page_size start-up parameter"},
    {STARTS_BLAME_HOST, "innodb_data_file_path"},
    {STARTS_BLAME_HOST, "specified in the .cnf file"},
    {STARTS_BLAME_HOST, "ncrypt"},
    {STARTS_BLAME_HOST, "ecrypt"},
    /* ---- data ---- */
    {STARTS_BLAME_DATA, "Data structure corruption"},    /* M, Y: Plugin initialization ... */
    {STARTS_BLAME_DATA, "Page read from tablespace is"}, /* M: ... corrupted */
    {STARTS_BLAME_DATA, "has the wrong space ID"},       /* M: a data file begins with zeroes */
    {STARTS_BLAME_DATA, "Space id and page no stored in the page"},     /* M: wrong pages */
    {STARTS_BLAME_DATA, "Space id and page number stored in the page"}, /* Y: the same */
    {STARTS_BLAME_DATA, "Invalid log header checksum"},                 /* M: redo log */
    {STARTS_BLAME_DATA, "we did not find a valid checkpoint"},          /* M: redo log of zeroes */
    {STARTS_BLAME_DATA, "Inconsistent tablespace ID in file"},          /* M: undo */
    {STARTS_BLAME_DATA, "not a valid aria control file"},               /* M */
    {STARTS_BLAME_DATA, "Incorrect information in file"},           /* M: a table's definition */
    {STARTS_BLAME_DATA, "privilege tables: Incorrect file format"}, /* M: Aria */
    {STARTS_BLAME_DATA, "Database page corruption on disk"},        /* Y */
    {STARTS_BLAME_DATA, "Header page consists of zero bytes"},      /* Y */
    {STARTS_BLAME_DATA, "Invalid redo log header checksum"},        /* Y */
    {STARTS_BLAME_DATA, "Space ID in fsp header is"},               /* Y: undo */
};

#define WORDS (sizeof starts_words / sizeof starts_words[0])

/* From one start of a line to its end or the text's. */
static size_t line_length(const char *line)
{
    return strcspn(line, "\n");
}

static bool line_has(const char *line, size_t len, const char *text)
{
    return memmem(line, len, text, strlen(text)) != NULL;
}

static bool line_complains(const char *line, size_t len)
{
    return line_has(line, len, "[ERROR]") || line_has(line, len, "[FATAL]");
}

/* Without its date, which `status` has of its own. */
static void line_copy(const char *line, size_t len, char *ret_text)
{
    const char *from = memmem(line, len, "] ", 2);
    if (from != NULL) {
        len -= (size_t)(from + 2 - line);
        line = from + 2;
    }
    (void)snprintf(ret_text, STARTS_LINE_MAX, "%.*s", (int)len, line);
}

static int line_blame(const char *line, size_t len)
{
    for (size_t i = 0; i < WORDS; i++) {
        if (line_has(line, len, starts_words[i].text))
            return starts_words[i].blame;
    }
    return STARTS_BLAME_NOTHING;
}

/* A server's last words as a rule, which say nothing. */
static bool line_is_end(const char *line, size_t len)
{
    return line_has(line, len, "Aborting");
}

void starts_judge(const char *log, struct starts *ret)
{
    ret->blame = STARTS_BLAME_NOTHING;
    ret->line[0] = '\0';
    while (*log != '\0') {
        size_t len = line_length(log);
        if (line_complains(log, len) && !line_is_end(log, len)) {
            int blame = line_blame(log, len);
            if (blame > ret->blame ||
                (blame == STARTS_BLAME_NOTHING && ret->blame == STARTS_BLAME_NOTHING))
                line_copy(log, len, ret->line);
            ret->blame = blame > ret->blame ? blame : ret->blame;
        }
        log += len;
        log += *log == '\n' ? 1 : 0;
    }
}
