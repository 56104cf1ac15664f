/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* strcpy(a, b) in a comment is no call */
int
bad(char *to, const char *from, const char *text)
{
    strcpy(to, from);
    sprintf(to, "system(%s)", text);
    system(from);
    signal(SIGTERM, handler);
    if (atoi (text) == 1)
        /* clean up */
        goto out;
    signal(SIGPIPE, SIG_IGN);
    source->signal(text);
    g_strlcpy(to, "goto", sizeof to);
    scanner.sscanf(text); /* a member is no libc function */
    /* lint-allow: banned-calls: shown to be exempt */
    strcat(to, from);
}
