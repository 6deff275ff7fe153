from xmargin.cli import main

main()
