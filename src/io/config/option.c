/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config/option.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "wire/config.h"

#define FIELD(type, field) offsetof(struct type, field), sizeof(((struct type *)0)->field)

static const struct option_row option_rows[] = {
#define CLUSTER_OPTION(block, name, kind, field, def, fast, min, max, change, help) \
    {OPTION_IN_CLUSTER,                                                             \
     block,                                                                         \
     name,                                                                          \
     NULL,                                                                          \
     OPTION_##kind,                                                                 \
     FIELD(cluster_config, field),                                                  \
     def,                                                                           \
     fast,                                                                          \
     min,                                                                           \
     max,                                                                           \
     OPTION_##change,                                                               \
     help},
#define NODE_OPTION(block, name, node_name, kind, field, def, fast, min, max, change, help)       \
    {OPTION_IN_NODE, block, name, node_name,       OPTION_##kind, FIELD(config_node, field), def, \
     fast,           min,   max,  OPTION_##change, help},
#define VIP_OPTION(name, kind, field, def, min, max, change, help) \
    {OPTION_IN_VIP,                                                \
     "virtual_ipaddress",                                          \
     name,                                                         \
     NULL,                                                         \
     OPTION_##kind,                                                \
     FIELD(config_vip, field),                                     \
     def,                                                          \
     NULL,                                                         \
     min,                                                          \
     max,                                                          \
     OPTION_##change,                                              \
     help},
#include "io/config/config.def"
#undef CLUSTER_OPTION
#undef NODE_OPTION
#undef VIP_OPTION
};

struct option_words {
    const char *(*text)(int value);
    int count;
};

unsigned option_count(void)
{
    return (unsigned)(sizeof option_rows / sizeof *option_rows);
}

const struct option_row *option_at(unsigned i)
{
    assert(i < option_count());
    return &option_rows[i];
}

const char *option_kind_text(enum option_kind kind)
{
    static const char *const texts[] = {
#define KIND(name, text, allowed) text,
#include "io/config/option_kind.def"
#undef KIND
    };
    assert(kind < OPTION_KIND_COUNT);
    return texts[kind];
}

/* Kinds whose value is one of some words; text is NULL for the others. */
static struct option_words option_words(enum option_kind kind)
{
    switch (kind) {
    case OPTION_LOG_LEVEL:
        return (struct option_words){config_log_level_text, LOG_LEVEL_ERROR + 1};
    case OPTION_PROFILE:
        return (struct option_words){config_profile_text, CONFIG_PROFILE_COUNT};
    case OPTION_REJOIN:
        return (struct option_words){config_rejoin_text, CONFIG_REJOIN_COUNT};
    case OPTION_DISCARD:
        return (struct option_words){config_discard_text, CONFIG_DISCARD_COUNT};
    case OPTION_DURABILITY:
        return (struct option_words){config_durability_text, CONFIG_DURABILITY_COUNT};
    case OPTION_LEASE_SCOPE:
        return (struct option_words){config_lease_scope_text, CONFIG_LEASE_COUNT};
    case OPTION_ROLE:
        return (struct option_words){config_role_text, CONFIG_ROLE_COUNT};
    default:
        return (struct option_words){NULL, 0};
    }
}

static int option_read_word(const struct option_row *o, const char *text, void *field)
{
    struct option_words words = option_words(o->kind);
    assert(o->size == sizeof(int));
    for (int i = 0; i < words.count; i++) {
        if (strcmp(words.text(i), text) == 0) {
            memcpy(field, &i, sizeof i);
            return 0;
        }
    }
    return ERR_INVAL;
}

static int option_read_flag(const char *text, bool *ret_flag)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i], text) == 0) {
            *ret_flag = i % 2 == 1;
            return 0;
        }
    }
    return ERR_INVAL;
}

/* Decimal digits, for a duration followed by nothing, ms, s or m. */
static int option_read_number(const struct option_row *o, const char *text, uint32_t *ret_number)
{
    unsigned long long value = 0;
    unsigned long long factor = 1;
    char *end = NULL;
    if (!isdigit((unsigned char)text[0]))
        return ERR_INVAL;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (o->kind == OPTION_DURATION && strcmp(end, "s") == 0)
        factor = 1000;
    else if (o->kind == OPTION_DURATION && strcmp(end, "m") == 0)
        factor = 60000;
    else if (*end != '\0' && (o->kind != OPTION_DURATION || strcmp(end, "ms") != 0))
        return ERR_INVAL;
    if (errno != 0 || value > UINT32_MAX || value * factor > (unsigned long long)o->max ||
        value * factor < (unsigned long long)o->min)
        return ERR_RANGE;
    *ret_number = (uint32_t)(value * factor);
    return 0;
}

static bool option_is_name(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return isalnum((unsigned char)text[0]) && text[strspn(text, allowed)] == '\0';
}

static bool option_are_addresses(const char *text)
{
    unsigned n = 0;
    for (const char *at = text; *at != '\0'; n++) {
        char one[ADDRESS_TEXT_MAX];
        unsigned char raw[sizeof(struct in6_addr)];
        size_t length = strcspn(at, " ");
        if (length == 0 || length >= sizeof one)
            return false;
        memcpy(one, at, length);
        one[length] = '\0';
        if (inet_pton(strchr(one, ':') != NULL ? AF_INET6 : AF_INET, one, raw) != 1)
            return false;
        at += length;
        if (at[0] == ' ' && at[1] == '\0')
            return false;
        at += *at == ' ';
    }
    return n <= CONFIG_ARBITRATIONS_MAX;
}

static bool option_text_is_good(const struct option_row *o, const char *text)
{
    switch (o->kind) {
    case OPTION_NAME:
        return option_is_name(text);
    case OPTION_OPTIONAL_NAME:
        return text[0] == '\0' || option_is_name(text);
    case OPTION_USER:
        return text[0] != '\0' && text[strcspn(text, "'\"`\\@%")] == '\0';
    case OPTION_PASSWORD:
        return text[strcspn(text, " '\"`\\")] == '\0';
    case OPTION_OPTIONAL_PATH:
        return text[0] == '/' || text[0] == '\0';
    case OPTION_PATH:
    case OPTION_SOCKET:
        return text[0] == '/';
    case OPTION_ADDRESSES:
        return option_are_addresses(text);
    case OPTION_DEVICE:
        return text[0] != '\0' && text[strcspn(text, "/: ")] == '\0' && strcmp(text, ".") != 0 &&
               strcmp(text, "..") != 0;
    default:
        return true;
    }
}

static int option_read_text(const struct option_row *o, const char *text, char *field)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        /* Control characters have no place in any of them, and would garble messages and SQL. */
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return ERR_INVAL;
    }
    if (length >= o->size || !option_text_is_good(o, text))
        return ERR_INVAL;
    memset(field, 0, o->size);
    memcpy(field, text, length);
    return 0;
}

/* The canonical text, so that equal addresses are equal texts. The family is the caller's to set.
 */
static int option_read_address(const char *text, char field[ADDRESS_TEXT_MAX])
{
    unsigned char raw[sizeof(struct in6_addr)];
    int family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
    if (inet_pton(family, text, raw) != 1)
        return ERR_INVAL;
    memset(field, 0, ADDRESS_TEXT_MAX);
    if (inet_ntop(family, raw, field, ADDRESS_TEXT_MAX) == NULL)
        return ERR_INVAL;
    return 0;
}

int option_read(const struct option_row *o, const char *text, void *base)
{
    char *field = (char *)base + o->offset;
    uint32_t number = 0;
    uint16_t port = 0;
    bool flag = false;
    int err = 0;
    if (option_words(o->kind).text != NULL)
        return option_read_word(o, text, field);
    switch (o->kind) {
    case OPTION_DURATION:
    case OPTION_COUNT:
    case OPTION_PORT:
        err = option_read_number(o, text, &number);
        port = (uint16_t)number;
        if (err == 0)
            memcpy(field, o->kind == OPTION_PORT ? (void *)&port : &number, o->size);
        return err;
    case OPTION_FLAG:
        err = option_read_flag(text, &flag);
        if (err == 0)
            memcpy(field, &flag, o->size);
        return err;
    case OPTION_ADDRESS:
        assert(o->size == ADDRESS_TEXT_MAX);
        return option_read_address(text, field);
    default:
        assert(o->kind != OPTION_SOURCE && o->kind != OPTION_NODES);
        return option_read_text(o, text, field);
    }
}

void option_write(const struct option_row *o, const void *base, char ret_text[OPTION_VALUE_MAX])
{
    const char *field = (const char *)base + o->offset;
    struct option_words words = option_words(o->kind);
    uint32_t number = 0;
    uint16_t port = 0;
    int word = 0;
    switch (o->kind) {
    case OPTION_DURATION:
    case OPTION_COUNT:
        memcpy(&number, field, sizeof number);
        (void)snprintf(ret_text, OPTION_VALUE_MAX, "%u", number);
        return;
    case OPTION_PORT:
        memcpy(&port, field, sizeof port);
        (void)snprintf(ret_text, OPTION_VALUE_MAX, "%u", port);
        return;
    case OPTION_FLAG:
        (void)snprintf(ret_text, OPTION_VALUE_MAX, "%s", *(const bool *)field ? "true" : "false");
        return;
    default:
        break;
    }
    if (words.text != NULL) {
        memcpy(&word, field, sizeof word);
        (void)snprintf(ret_text, OPTION_VALUE_MAX, "%s", words.text(word));
        return;
    }
    (void)snprintf(ret_text, OPTION_VALUE_MAX, "%s", field);
}

void option_allowed(const struct option_row *o, char ret_text[OPTION_ALLOWED_MAX])
{
    static const char *const allowed[] = {
#define KIND(name, text, allowed) allowed,
#include "io/config/option_kind.def"
#undef KIND
    };
    struct option_words words = option_words(o->kind);
    size_t used = 0;
    if (words.text != NULL) {
        for (int i = 0; i < words.count; i++) {
            const char *joint = i == 0 ? "" : i + 1 == words.count ? " or " : ", ";
            used += (size_t)snprintf(ret_text + used, OPTION_ALLOWED_MAX - used, "%s%s", joint,
                                     words.text(i));
            assert(used < OPTION_ALLOWED_MAX);
        }
    } else if (o->kind == OPTION_DURATION) {
        (void)snprintf(ret_text, OPTION_ALLOWED_MAX, "%lld to %lld ms; a suffix ms, s or m is fine",
                       (long long)o->min, (long long)o->max);
    } else if (o->kind == OPTION_COUNT || o->kind == OPTION_PORT) {
        (void)snprintf(ret_text, OPTION_ALLOWED_MAX, "%lld to %lld", (long long)o->min,
                       (long long)o->max);
    } else {
        (void)snprintf(ret_text, OPTION_ALLOWED_MAX, "%s", allowed[o->kind]);
    }
}

int option_expand(char *text, size_t size, const char *name)
{
    char out[OPTION_VALUE_MAX];
    size_t used = 0;
    size_t length = strlen(name);
    assert(size <= sizeof out);
    for (const char *p = text; *p != '\0'; p++) {
        bool is_name = p[0] == '%' && p[1] == 'n';
        size_t n = is_name ? length : 1;
        if (used + n >= size)
            return ERR_FULL;
        memcpy(out + used, is_name ? name : p, n);
        used += n;
        p += is_name;
    }
    memset(text, 0, size);
    memcpy(text, out, used);
    return 0;
}

unsigned option_distance(const char *a, const char *b)
{
    enum { WORD_MAX = 40 };
    unsigned row[WORD_MAX + 1];
    size_t na = strlen(a);
    size_t nb = strlen(b);
    if (na > WORD_MAX || nb > WORD_MAX)
        return WORD_MAX;
    for (unsigned j = 0; j <= nb; j++)
        row[j] = j;
    for (unsigned i = 1; i <= na; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= nb; j++) {
            unsigned change = diagonal + (a[i - 1] != b[j - 1]);
            unsigned insert = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = diagonal + 1 < insert ? diagonal + 1 : insert;
            row[j] = change < row[j] ? change : row[j];
        }
    }
    return row[nb];
}
