"""Single stages on files, for people who come with a transactions file or a basket of their own."""
