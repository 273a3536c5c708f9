/* SPDX-License-Identifier: MIT
 * Fuzzes the parsing of scripts of mock workers: no byte is read beyond the text, what is wrong is one line, what is
 * right can be asked for rules. Dictionary fuzz_script.dict, seeds corpus/script. */
#include <stdlib.h>
#include <string.h>

#include "mock/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/* Aborts, so that the fuzzer keeps the input. */
static void must(bool condition) {
    if (!condition) abort();
}

static void check_rules(const skep_mock_script *script) {
    for (uint64_t number = 1; number < 4; number++) {
        struct skep__mock_case c = {SKEP__MOCK_ON_JOB, "q", number, number, "a bad cat", 9};
        const struct skep__mock_rule *rule = skep__mock_script_rule(script, &c);
        must(rule == NULL || (rule->on == SKEP__MOCK_ON_JOB && rule->count > 0 && rule->count <= SKEP__MOCK_ACTIONS));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
    char why[SKEP_MOCK_WHY_BYTES];
    char *text = malloc(size_bytes + 1);
    skep_mock_script *script = NULL;
    if (text == NULL) return 0;
    if (size_bytes > 0) memcpy(text, data, size_bytes);
    text[size_bytes] = '\0';
    int status = skep_mock_script_parse(&script, text, why);
    must((status == SKEP_OK) == (script != NULL) && (status == SKEP_OK) == (why[0] == '\0'));
    must(strncmp(why, "line ", status == SKEP_OK ? 0 : 5) == 0 && strchr(why, '\n') == NULL);
    if (status == SKEP_OK) check_rules(script);
    skep_mock_script_free(&script);
    free(text);
    return 0;
}
